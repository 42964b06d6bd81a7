package host

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	rt "github.com/yococ/yococ/runtime"
)

// FollowRequest asks for the time that a session takes to generate Tokens behind those that it holds, whatever its
// logits say: once without speculation and once with up to Speculate tokens a pass. The two take turns at
// pieces of Piece tokens, so that both see the same minutes of the machine.
type FollowRequest struct {
	Tokens           []int32
	Speculate, Piece int
}

// FollowResult holds what each piece took, in order, and the counts of all speculation. The logits before every
// token were the same, bit for bit, or there is no result.
type FollowResult struct {
	Without, With []time.Duration
	Speculation   rt.Speculation
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// follow serves such a request. The session stays as it is: two forks of it go on.
func (s *server) follow(ctx context.Context, q FollowRequest) (_ *FollowResult, err error) {
	if len(q.Tokens) == 0 || q.Speculate < 1 || q.Piece < 1 {
		return nil, fmt.Errorf("follow: %d tokens in pieces of %d, %d speculated: want 1 or more of each", len(q.Tokens), q.Piece, q.Speculate)
	}
	if err := s.model.Settled(ctx); err != nil {
		return nil, err
	}
	var both [2]*follower
	for i := range both {
		f, err := s.session.Fork()
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		both[i] = &follower{session: f, speculate: i * q.Speculate}
	}
	for range min(warmDecodes, len(q.Tokens)) { // both find the weights read
		if err := both[0].warm(ctx, q.Tokens[0]); err != nil {
			return nil, err
		}
	}
	r := &FollowResult{}
	for at := 0; at < len(q.Tokens); at += q.Piece {
		piece := q.Tokens[at:min(at+q.Piece, len(q.Tokens))]
		var took [2]time.Duration
		for i := range both {
			i ^= at / q.Piece & 1 // each is the first in half of the turns
			if took[i], err = both[i].piece(ctx, piece); err != nil {
				return nil, err
			}
		}
		for i := range piece {
			if both[0].seen[i] != both[1].seen[i] {
				return nil, fmt.Errorf("follow: the logits before token %d of the text differ with speculation", at+i)
			}
		}
		r.Without, r.With = append(r.Without, took[0]), append(r.With, took[1])
		c := both[1].session.Speculation()
		r.Speculation.Passes += c.Passes
		r.Speculation.Drafted += c.Drafted
		r.Speculation.Accepted += c.Accepted
	}
	return r, nil
}

// A follower generates given tokens.
type follower struct {
	session   *rt.Session
	speculate int
	seen      []uint32 // checksums of the logits before each token of the last piece
}

// warm adds a token, which is not kept.
func (f *follower) warm(ctx context.Context, token int32) (err error) {
	more, err := f.session.Fork()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, more.Close()) }()
	_, err = more.Decode(ctx, token)
	return err
}

func (f *follower) piece(ctx context.Context, tokens []int32) (time.Duration, error) {
	f.seen = f.seen[:0]
	p := rt.Sampling{MaxTokens: len(tokens), Speculate: f.speculate, Choose: func(x []float32) int32 {
		f.seen = append(f.seen, crc32.Checksum(floatBytes(x), castagnoli))
		return tokens[len(f.seen)-1]
	}}
	start := time.Now()
	for _, err := range f.session.Generate(ctx, p) {
		if err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}
