package runtime

import (
	"context"
	"errors"
	"fmt"
)

var (
	// ErrContextFull is what a ContextFullError wraps.
	ErrContextFull = errors.New("the context is full")
	// ErrClosed is returned by every method after Close.
	ErrClosed = errors.New("closed")
	// ErrBusy is returned where two goroutines use a session at once, and inside a loop over
	// Generate or a callback of ScoreRows.
	ErrBusy = errors.New("the session is in use by another call")
	// ErrNoTokens is returned where logits are asked for before any token.
	ErrNoTokens = errors.New("the session holds no token")
	// ErrNoContext is returned where a context.Context is nil.
	ErrNoContext = errors.New("the context.Context is nil")
	// ErrLogits is wrapped where logits are not numbers to choose from.
	ErrLogits = errors.New("unusable logits")
)

// ended returns the error of a context that has ended, and of one that is nil.
func ended(ctx context.Context) error {
	if ctx == nil {
		return ErrNoContext
	}
	return ctx.Err()
}

// A ContextFullError says that tokens don't fit. Nothing was computed, nothing was cut off.
type ContextFullError struct {
	Context int // tokens that the session can hold
	Used    int // tokens that it holds
	Want    int // tokens that should have been added
}

func (e *ContextFullError) Error() string {
	return fmt.Sprintf("%v: %d of %d tokens are used, %d more don't fit",
		ErrContextFull, e.Used, e.Context, e.Want)
}

func (e *ContextFullError) Unwrap() error { return ErrContextFull }

// A TokenError says that a token is not in the vocabulary.
type TokenError struct {
	Token int32
	Index int // in the argument
	Vocab int
}

func (e *TokenError) Error() string {
	return fmt.Sprintf("token %d at index %d is not in the vocabulary of %d", e.Token, e.Index, e.Vocab)
}
