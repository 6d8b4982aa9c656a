package redkite_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/redkite/redkite/docs/examples/go/redkite"
)

// A chatbot puts its documents, once, and asks.
func Example() {
	server := standIn() // a server that runs is at http://127.0.0.1:8080, say
	defer server.Close()
	c := redkite.New(server.URL, redkite.Options{Key: "rk_..."})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	var refused *redkite.Error
	err := c.CreateCollection(ctx, redkite.NewCollection{Name: "birds"})
	if err != nil && !(errors.As(err, &refused) && refused.Status == http.StatusConflict) { // 409: it is there already
		log.Fatal(err)
	}
	put, err := c.PutText(ctx, "birds", redkite.NewDocument{ID: "kite", Title: "Red kite", Text: "It has a forked tail."})
	if err == nil {
		err = c.Wait(ctx, put.Jobs()...)
	}
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range c.Stream(ctx, "birds", redkite.Question{Search: redkite.Search{Query: "Which bird has a forked tail?"}}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(event.Delta)
		if event.Citation != nil {
			fmt.Printf(" (%s)", event.Citation.Title)
		}
	}
	// Output: The red kite has one [1] (Red kite).
}
