package tokenizer

import "unicode/utf8"

// A unigram model (Kudo 2018) cuts a piece where the sum of its tokens' scores, logarithms of their
// probabilities, is largest.
type unigram struct {
	pieces  trie
	scores  []float64         // by id
	bonus   map[int32]float64 // a byte, instead of the score: tokens that users have defined
	single  bool              // sums are rounded to float32, as SentencePiece's are
	penalty float64           // score of an unknown character
	unknown unknown
}

// A step is the best way to a place in the text.
type step struct {
	score float64
	from  int32
	id    int32 // of the token that leads here; stranger for an unknown character
}

func (u *unigram) joinsUnknown() bool { return u.unknown.fuse }

func (u *unigram) encode(s *scratch, ids []int32, piece string) []int32 {
	n := len(piece)
	if cap(s.path) <= n {
		s.path = make([]step, n+1)
	}
	path := s.path[:n+1]
	for i := range path {
		path[i] = step{from: dead}
	}
	for i := 0; i < n; {
		_, width := utf8.DecodeRuneInString(piece[i:])
		whole := false // whether the character is a token by itself
		for j, node := i, int32(0); j < n; {
			if node = u.pieces.step(node, piece[j]); node < 0 {
				break
			}
			j++
			id := u.pieces.found[node]
			if id < 0 {
				continue
			}
			score := u.scores[id]
			if b, ok := u.bonus[id]; ok {
				score = float64(float32(j-i)*float32(b)) - 0.1
			}
			u.offer(&path[j], path[i].score+score, i, id)
			whole = whole || j == i+width
		}
		if !whole {
			u.offer(&path[i+width], path[i].score+u.penalty, i, stranger)
		}
		i += width
	}
	return u.walk(ids, path, piece)
}

// offer makes a way to a place the best if it is the first or better than the best.
func (u *unigram) offer(to *step, score float64, from int, id int32) {
	if to.from != dead && !(score > to.score) {
		return
	}
	if u.single {
		score = float64(float32(score))
	}
	*to = step{score, int32(from), id}
}

// walk appends the tokens of the best way, which it reads from its end.
func (u *unigram) walk(ids []int32, path []step, piece string) []int32 {
	next := int32(dead)
	for at := int32(len(piece)); at > 0; { // turns the way around: from becomes the step after
		from := path[at].from
		path[at].from = next
		next, at = at, from
	}
	begin := len(ids)
	for at, to := int32(0), next; to != dead; at, to = to, path[to].from {
		if id := path[to].id; id >= 0 {
			ids = append(ids, id)
		} else {
			ids = u.unknown.append(ids, len(ids)-begin, piece[at:to])
		}
	}
	return ids
}
