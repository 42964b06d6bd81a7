#!/bin/sh
# Time yococ and a llama-bench in turns and print the ratio of their medians. README.md says what is
# compared with what.
#
#   LLAMA_BENCH=path/to/llama-bench tests/bench/compare.sh [FOLDER]
#
# FOLDER keeps what both printed (default: a new one). A run that was stopped goes on where it was when it is
# started again with the same folder.
#
#   ROUNDS=5       how often everything is repeated
#   CASES=REGEXP   those cases alone (default: -q[48]); CASES=help lists all
#   THREADS=2      of both engines
#   MODELS=DIR     where the GGUF files are, or will be written (default: FOLDER/models)
#   YOCOC=PATH     the command, if it is not to be built from this clone
#   ENGINES=peer   one engine alone: yococ or peer
#   QUIET=600      seconds to wait, before each run, for others to leave the processors alone (default 0)
#   AGAIN=0.05     time those runs again that FOLDER has, but of which others had more than this share of the processors
#   WITH=COMMAND   that starts both engines: 'chrt -r 1' leaves others next to nothing, where there are others
#   YOCOC_FLAGS    of yococ in every case, after the case's own, which they replace
#   PEER_FLAGS     of llama-bench in every case (default: -fa 1)
set -eu

# case, spec, weights (yococ's and GGUF's), caches (yococ's and the peer's), prompts, tokens, depth
cases() {
	cat <<-END
	a-q8          bench-a  q8    q8_0  q8    q8_0  512,4096  32  0
	a-q4          bench-a  q4    q4_0  q8    q8_0  512,4096  32  0
	b-q8          bench-b  q8    q8_0  q8    q8_0  512       32  0
	b-q4          bench-b  q4    q4_0  q8    q8_0  512       32  0
	c-q8          bench-c  q8    q8_0  q8    q8_0  512,4096  32  0
	c-q4          bench-c  q4    q4_0  q8    q8_0  512,4096  32  0
	c-q8-16k      bench-c  q8    q8_0  q8    q8_0  0         16  16384
	c-q4-16k      bench-c  q4    q4_0  q8    q8_0  0         16  16384
	a-q8-f16      bench-a  q8    q8_0  bf16  f16   512,4096  32  0
	c-q8-f16      bench-c  q8    q8_0  bf16  f16   512,4096  32  0
	c-q8-f16-16k  bench-c  q8    q8_0  bf16  f16   0         16  16384
	a-f32         bench-a  f32   f32   f32   f16   512       32  0
	a-bf16        bench-a  bf16  bf16  bf16  bf16  512       32  0
	b-bf16        bench-b  bf16  bf16  bf16  bf16  512       32  0
	END
}

refuse() {
	echo "compare.sh: $1" >&2
	exit 2
}

chosen=$(cases | awk -v want="${CASES:--q[48]}" '$1 ~ want')
if [ "${CASES-}" = help ]; then
	cases
	exit
fi
[ -n "$chosen" ] || refuse "CASES=$CASES: no case is called so; CASES=help lists all"

engines=${ENGINES:-yococ peer}
threads=${THREADS:-2}
case $engines in *peer*)
	[ -x "${LLAMA_BENCH-}" ] || refuse 'want LLAMA_BENCH=path of a llama-bench'
	# Versions differ in how tokens come before those that are timed.
	depth_flag=-gp
	! "$LLAMA_BENCH" --help 2>&1 | grep -q -e --n-depth || depth_flag=-d
esac

repo=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:-$(mktemp -d)}
mkdir -p "$out"
out=$(cd "$out" && pwd)
models=${MODELS:-$out/models}
mkdir -p "$models"
echo "compare.sh: recording in $out" >&2

cd "$repo"
for tool in gguf readspeed table; do
	go build -o "$out/bin/$tool" "./tests/bench/$tool"
done
[ -n "${YOCOC-}" ] || go build -o "$out/bin/yococ" ./cmd/yococ
yococ=${YOCOC:-$out/bin/yococ}

# Processor time in ticks: of all who work, of all there is. None where there is no /proc.
ticks() { awk '/^cpu / { print $2+$3+$4+$7+$8+$9, $2+$3+$4+$5+$6+$7+$8+$9 }' /proc/stat 2>/dev/null || true; }

# quiet waits for two seconds in which 95 of 100 ticks are idle.
quiet() {
	limit=$(($(date +%s) + ${QUIET:-0}))
	while [ "$(date +%s)" -lt "$limit" ]; do
		before=$(ticks)
		sleep 2
		! echo "$before $(ticks)" | awk 'NF == 4 { exit !($3-$1 > 0.05*($4-$2)) } { exit 1 }' || continue
		break
	done
}

# others prints the share of the machine's processor time that went elsewhere, from the ticks before and after and
# what the times builtin said before and after: the second line of each is that of processes that ended.
others() {
	echo "$1 $2" | cat - "$3" "$4" | awk -v hz="$(getconf CLK_TCK)" '
		function seconds(t) { split(t, p, /[ms]/); return 60*p[1] + p[2] }
		NR == 1 { if (NF != 4) exit; all = $4-$2; busy = $3-$1 }
		NR == 3 { own = -seconds($1) - seconds($2) }
		NR == 5 { own += seconds($1) + seconds($2); s = (busy - own*hz) / all; printf "%.3f\n", s < 0 ? 0 : s }'
}

undisturbed() { [ -z "${AGAIN-}" ] || awk -v limit="$AGAIN" '$1 > limit { exit 1 }' "$1"; }

# record keeps what a command prints in FILE.json. Whole files alone have their names, so that a round that was
# stopped is timed again.
record() {
	file=$1
	shift
	if [ -s "$file.json" ] && undisturbed "$file.others"; then return 0; fi
	quiet
	before=$(ticks)
	times >"$file.before"
	# shellcheck disable=SC2086 # WITH is words
	${WITH-} "$@" </dev/null >"$file.tmp" 2>"$file.err" || {
		echo "compare.sh: $*: stopped with $?" >&2
		tail -3 "$file.err" >&2
		return 1
	}
	times >"$file.after"
	others "$before" "$(ticks)" "$file.before" "$file.after" >"$file.others"
	mv "$file.tmp" "$file.json"
	rm -f "$file.err" "$file.before" "$file.after"
}

run_yococ() {
	# shellcheck disable=SC2086 # flags are words
	record "$1.yococ" "$yococ" bench "models/$2.yaml" --random-weights 1 --weights "$3" --kv "$5" \
		-p "$7" -n "$8" -d "$9" --threads "$threads" --json ${YOCOC_FLAGS-}
}

run_peer() {
	file=$1 model=$models/$2.$4.gguf cache=$6 prompts=$7 tokens=$8 depth=$9
	[ -s "$model" ] || "$out/bin/gguf" -type "$4" -o "$model" "models/$2.yaml"
	set -- -p "$prompts" -n "$tokens" -r 3
	if [ "$depth" != 0 ]; then
		case $depth_flag in
		-d) set -- "$@" -d "$depth" ;;
		*) set -- -p 0 -n 0 -gp "$depth,$tokens" -r 1 ;;
		esac
	fi
	# shellcheck disable=SC2086 # flags are words
	record "$file.peer" "$LLAMA_BENCH" -m "$model" -t "$threads" ${PEER_FLAGS:--fa 1} \
		-ctk "$cache" -ctv "$cache" -o json "$@"
}

uptime >>"$out/uptime"
round=1
while [ "$round" -le "${ROUNDS:-5}" ]; do
	echo "$chosen" | while read -r name spec; do
		echo "compare.sh: round $round, $name" >&2
		[ -s "$out/$name.$round.read" ] || "$out/bin/readspeed" -threads "$threads" >"$out/$name.$round.read"
		for engine in $engines; do
			# shellcheck disable=SC2086 # the case's words
			"run_$engine" "$out/$name.$round" $spec || exit 1
		done
	done
	# The other one begins the next round.
	engines=$(echo "$engines" | awk '{ print (NF > 1 ? $2 " " : "") $1 }')
	round=$((round + 1))
done
uptime >>"$out/uptime"

echo
"$out/bin/table" "$out"
echo
echo 'Load before and after:'
tail -2 "$out/uptime" | sed 's/.*load/- load/'
