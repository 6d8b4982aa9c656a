package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/redkite/redkite/internal/client"
)

// server is the redkite that the demo runs.
type server struct {
	command *exec.Cmd
	base    string
	log     string
	client  *client.Client
	ended   chan error // one value, when the process is over
}

const (
	startTimeout = 2 * time.Minute // until it is ready
	stopTimeout  = time.Minute
)

// start runs the redkite that lies beside this program and waits until it is ready.
func start(ctx context.Context, data string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{base: "http://" + address, log: data + ".log", client: client.New("http://"+address, ""), ended: make(chan error, 1)}
	fmt.Printf("Starting redkite with an empty data folder on %s\n", s.base)
	began := time.Now()
	if err := s.launch(data, address); err != nil {
		return nil, err
	}
	if err := s.ready(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	fmt.Printf("Ready after %.1f s.\n", time.Since(began).Seconds())
	return s, nil
}

// freeAddress finds a port that nobody uses now.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func (s *server) launch(data, address string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	output, err := os.Create(s.log)
	if err != nil {
		return err
	}
	defer output.Close()
	s.command = exec.Command(filepath.Join(filepath.Dir(self), "redkite"), "serve", "--data", data, "--address", address)
	s.command.Stdout, s.command.Stderr = output, output
	s.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C is for the demo, which then stops the server
	if err := s.command.Start(); err != nil {
		return fmt.Errorf("start redkite: %w; 'make build' builds it", err)
	}
	go func() { s.ended <- s.command.Wait() }()
	return nil
}

// ready waits until the server is ready, or over.
func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	retry := time.NewTicker(200 * time.Millisecond)
	defer retry.Stop()
	for s.client.Ready(ctx) != nil {
		select {
		case err := <-s.ended:
			s.ended <- err // for stop
			return errors.New("redkite did not start")
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("redkite was not ready after %v; its log ends:\n%s", startTimeout, s.tail())
		case <-retry.C:
		}
	}
	return nil
}

// stop ends the server as an operator would.
func (s *server) stop() error {
	_ = s.command.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.ended:
		if err != nil {
			return fmt.Errorf("redkite ended with %w; its log ends:\n%s", err, s.tail())
		}
		return nil
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("redkite did not stop within %v", stopTimeout), s.command.Process.Kill())
	}
}

// tail gives the last lines of the server's log.
func (s *server) tail() string {
	raw, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
