// Package tokenizer turns text into token ids and back, as four kinds of files say: a Hugging Face
// tokenizer.json, tiktoken's ranks (.tiktoken), and SentencePiece models (.model) of BPE and unigram.
// The ids are those of the libraries that these belong to, exactly; a file that asks for anything
// which would change them and is not implemented is refused by name.
//
// What it reads of a tokenizer.json:
//
//   - model BPE on bytes, merges as "a b" or ["a","b"], ignore_merges; no dropout, prefixes or suffixes;
//     before it ByteLevel (with or without its pattern, add_prefix_space), or Split and ByteLevel in
//     sequence with the patterns of Llama 3, Qwen 2, o200k or GPT-2;
//   - model BPE or Unigram on characters, as SentencePiece's models become: byte_fallback, unk_token,
//     fuse_unk; before it nothing or Metaspace;
//   - added_tokens with all their flags;
//   - the normalizers NFC, Prepend and Replace of a text, alone or in sequence;
//   - post_processor: the special tokens that TemplateProcessing, BertProcessing and RobertaProcessing
//     put in front of a text. Encode adds none, Prompt adds those. Truncation and padding are ignored.
//
// A .tiktoken file says neither pattern nor special tokens: known vocabularies (cl100k_base,
// o200k_base, p50k_base, r50k_base, Llama 3, Qwen) are told by their size. LoadUnilm gives the ids
// that microsoft/unilm's YOCO makes of them. A SentencePiece model's normalization, spaces and
// user-defined pieces are done as its library does them.
//
// A pattern splits by Unicode's letters, numbers and marks; which characters those are follows
// unicode.Version. testdata/reference.mjs compares with other implementations.
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
