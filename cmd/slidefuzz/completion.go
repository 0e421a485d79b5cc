package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// completeWord is the command that the scripts of shells ask: the words after it
// are those of the command line up to the one to complete. It is for them alone,
// and so in no help.
const completeWord = "__complete"

var completionCommand = command{
	name:  "completion",
	args:  "bash|zsh|fish",
	about: "print what makes a shell complete the words of slidefuzz",
	long: `
Prints a script that completes commands, flags and targets. For one session, or in
the file that the shell reads at its start:

  bash   source <(slidefuzz completion bash)
  zsh    source <(slidefuzz completion zsh)      after compinit
  fish   slidefuzz completion fish | source`,
	flags: func(*flag.FlagSet) action {
		return func(_ context.Context, e *env, args []string) (int, error) {
			if len(args) != 1 {
				return 0, errors.New("want a shell: bash, zsh or fish")
			}
			script, ok := completionScripts()[args[0]]
			if !ok {
				return 0, fmt.Errorf("no completion for %q%s; want bash, zsh or fish", args[0], didYouMean(args[0], []string{"bash", "zsh", "fish"}))
			}
			_, _ = io.WriteString(e.out, script) // run reports what fails
			return exitOK, nil
		}
	},
}

// completionScripts are the scripts by shell. Each asks the command that is typed,
// and completes the names of files where that answers nothing.
func completionScripts() map[string]string {
	return map[string]string{
		"bash": `# bash completion for slidefuzz
_slidefuzz() {
  local IFS=$'\n'
  COMPREPLY=($("${COMP_WORDS[0]}" ` + completeWord + ` "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o bashdefault -o default -F _slidefuzz slidefuzz
`,
		"zsh": `#compdef slidefuzz
# zsh completion for slidefuzz
_slidefuzz() {
  local -a found
  found=("${(@f)$("${words[1]}" ` + completeWord + ` "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=(${found:#})
  if (( $#found )); then
    compadd -- $found
  else
    _files
  fi
}
if [ "$funcstack[1]" = _slidefuzz ]; then
  _slidefuzz
else
  compdef _slidefuzz slidefuzz
fi
`,
		"fish": `# fish completion for slidefuzz
function __slidefuzz_complete
  set -l words (commandline -opc)
  set -l found ($words[1] ` + completeWord + ` $words[2..-1] (commandline -ct) 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c slidefuzz -f -a '(__slidefuzz_complete)'
`,
	}
}

// complete prints what the last of the words may become, a line each; nothing where
// the names of files are wanted.
func complete(w io.Writer, words []string) {
	if len(words) == 0 {
		words = []string{""}
	}
	typed := words[len(words)-1]
	for _, c := range candidates(words[:len(words)-1], typed) {
		if strings.HasPrefix(c, typed) {
			fmt.Fprintln(w, c)
		}
	}
}

// candidates are the words that may follow those before.
func candidates(before []string, typed string) []string {
	if len(before) == 0 {
		names := []string{}
		for _, name := range commandNames() {
			if !strings.Contains(name, " ") {
				names = append(names, name)
			}
		}
		return names
	}
	if before[0] == "help" {
		before = before[1:]
		if len(before) == 0 {
			return candidates(nil, typed)
		}
		return secondWords(before)
	}
	c, rest, err := find(before)
	if err != nil {
		return secondWords(before)
	}
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	c.flags(fs)
	if len(rest) > 0 {
		if f := fs.Lookup(strings.TrimLeft(rest[len(rest)-1], "-")); f != nil && strings.HasPrefix(rest[len(rest)-1], "-") && takesValue(f) {
			return valuesOf(f.Name)
		}
	}
	if strings.HasPrefix(typed, "-") {
		var names []string
		for _, f := range listed(fs) {
			names = append(names, dashed(f.Name))
		}
		return names
	}
	switch c.name {
	case huntCommand.name, targetsCommand.name:
		return targetNames()
	case workerCommand.name:
		return append(secondWords(before), targetNames()...)
	case completionCommand.name:
		return []string{"bash", "zsh", "fish"}
	}
	return nil
}

// secondWords are those of the commands of two words that begin with the only word
// before.
func secondWords(before []string) (names []string) {
	if len(before) == 1 {
		for _, c := range group(before[0]) {
			_, second, _ := strings.Cut(c.name, " ")
			names = append(names, second)
		}
	}
	return names
}

// takesValue reports whether the word after a flag is its value.
func takesValue(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return !ok || !b.IsBoolFlag()
}

// valuesOf are the values of a flag, where they are few.
func valuesOf(name string) []string {
	switch name {
	case "device":
		return slices.Clone(window.Devices())
	case "without":
		var names []string
		for _, f := range corpus.Features() {
			names = append(names, string(f))
		}
		return names
	case "schedule":
		return []string{"ascending", "descending"}
	}
	return nil
}
