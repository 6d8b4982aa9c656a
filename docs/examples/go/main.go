// Command go uses the package redkite beside it: it makes a collection, puts a text and a file, searches, asks for a context
// and for a cited answer, and deletes what it made. REDKITE_SERVER and REDKITE_API_KEY say where the server is and who asks;
// the server needs an LLM for the answers.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/redkite/redkite/docs/examples/go/redkite"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c := redkite.New(os.Getenv("REDKITE_SERVER"), redkite.Options{Key: os.Getenv("REDKITE_API_KEY")})
	const name = "go-birds"
	err := c.CreateCollection(ctx, redkite.NewCollection{Name: name})
	if err == nil {
		err = errors.Join(run(ctx, c, name), c.DeleteCollection(ctx, name))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c *redkite.Client, birds string) error {
	if err := put(ctx, c, birds); err != nil {
		return err
	}
	search := redkite.Search{Query: "Which bird has a forked tail?", TopK: 1}
	found, err := c.Search(ctx, birds, search)
	if err != nil {
		return err
	}
	if len(found.Hits) != 1 || found.Hits[0].DocumentID != "kite" {
		return fmt.Errorf("found %+v", found)
	}
	fmt.Println("Search:", found.Hits[0].Title, found.Hits[0].Text)

	packed, err := c.Context(ctx, birds, redkite.ContextQuery{Search: search, MaxTokens: 200})
	if err != nil {
		return err
	}
	if !strings.Contains(packed.Text, "forked tail") {
		return fmt.Errorf("packed %+v", packed)
	}
	fmt.Println("Context:", packed.Tokens, "tokens")

	answer, err := c.Ask(ctx, birds, redkite.Question{Search: search})
	if err != nil {
		return err
	}
	if len(answer.Citations) != 1 || answer.Citations[0].DocumentID != "kite" {
		return fmt.Errorf("answered %+v", answer)
	}
	fmt.Println("Ask:", answer.Answer, answer.Citations[0].URL)
	return stream(ctx, c, birds, redkite.Question{Search: search})
}

// put puts a text and a file, and waits until they can be found.
func put(ctx context.Context, c *redkite.Client, birds string) error {
	texts, err := c.PutText(ctx, birds, redkite.NewDocument{ID: "kite", Title: "Red kite", Text: "It has a forked tail."})
	if err != nil {
		return err
	}
	file := redkite.File{Name: "robin.md", Open: func() (io.ReadCloser, error) { // redkite.FileAt is for files on disk
		return io.NopCloser(strings.NewReader("# Robin\n\nThe robin sings at night.\n")), nil
	}}
	files, err := c.Upload(ctx, birds, file)
	if err != nil {
		return err
	}
	if err := c.Wait(ctx, append(texts.Jobs(), files.Jobs()...)...); err != nil {
		return err
	}
	robin, err := c.GetDocument(ctx, birds, files.Documents[0].DocumentID)
	if err != nil {
		return err
	}
	fmt.Println("Upload, Wait, GetDocument:", robin.Filename, robin.Status)
	return nil
}

func stream(ctx context.Context, c *redkite.Client, birds string, q redkite.Question) error {
	var text strings.Builder
	cited := ""
	for event, err := range c.Stream(ctx, birds, q) {
		if err != nil {
			return err
		}
		text.WriteString(event.Delta)
		if event.Citation != nil {
			cited = event.Citation.DocumentID
		}
	}
	if cited != "kite" {
		return fmt.Errorf("%q cites %q", text.String(), cited)
	}
	fmt.Println("Stream:", text.String())
	return nil
}
