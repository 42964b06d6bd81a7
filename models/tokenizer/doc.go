// Package tokenizer turns text into token ids and back, by the byte-level BPE that a Hugging
// Face tokenizer.json describes. The ids are those of the tokenizers library, exactly; a file
// that asks for anything which would change them and is not implemented is refused by name.
//
// What it reads:
//
//   - model BPE, merges as "a b" or ["a","b"], ignore_merges; no dropout, prefixes or suffixes;
//   - pre_tokenizer ByteLevel (with or without its pattern, add_prefix_space), or Split and
//     ByteLevel in sequence with the patterns of Llama 3, Qwen 2, o200k or GPT-2;
//   - added_tokens with all their flags;
//   - no normalizer (NFC included: its tables are not in the standard library);
//   - post_processor: read, but only to know its kind. Post-processors put special tokens
//     around a text, and Encode adds none: that is the caller's choice. So are truncation and
//     padding, which are ignored.
//
// A pattern splits by Unicode's letters, numbers and marks; which characters those are follows
// unicode.Version.
//
// # Why it is our own
//
// Compared in 2026 on one trained tokenizer (4,096 tokens; 12 vectors, 14 prompts, 49 KB of
// prose that is 13,344 tokens):
//
//   - github.com/sugarme/tokenizer v0.3.0: no lookahead, so a paragraph's end splits wrongly
//     (13,249 tokens; 2 prompts and the vector with a special token differ), 0.4 MB/s, and it
//     links net/http, a progress bar and a cache;
//   - github.com/ollama/ollama/x/tokenizer v0.17.4: the same 13,249 tokens and the same 2
//     prompts (its lookahead is imitated for letters only), 4 MB/s, behind a build tag in a
//     module with 95 requirements;
//   - github.com/mattn/tensai/tokenizer at 850488f (August 2026): all ids right, but the module proxy
//     did not serve it, 0.2 MB/s on 5 MB, quadratic in a word's length (16 KB take 1.8 s),
//     loses invalid UTF-8, and can't be used by two goroutines;
//   - github.com/gomlx/go-huggingface v0.3.1: SentencePiece only;
//   - github.com/daulet/tokenizers and github.com/gomlx/tokenizers: cgo.
//
// The package must not know models, ops or anything else of the compiler; it imports the
// standard library only, so that a program which embeds a model can import it.
package tokenizer
