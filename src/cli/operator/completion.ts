import type { Command } from 'commander';

/** The shells that `thingward completion` writes for. */
export const shells = ['bash', 'zsh', 'fish'] as const;
/** One of these shells. */
export type Shell = (typeof shells)[number];

/** What may follow the words of a command, by those words. */
type Words = Map<string, string[]>;

/** A script that completes commands and flags, made from the program itself: it is never older than the program. */
export function completionOf(program: Command, shell: Shell): string {
  const words = wordsOf(program, []);
  return { bash, zsh, fish }[shell](words);
}

function wordsOf(command: Command, path: string[]): Words {
  const flags = command.options.flatMap(({ long, hidden }) => (long && !hidden ? [long] : []));
  const below = command.commands.map((each) => each.name());
  const words: Words = new Map([[path.join(' '), [...below, ...flags, '--help']]]);
  for (const each of command.commands)
    for (const [key, value] of wordsOf(each, [...path, each.name()])) words.set(key, value);
  return words;
}

const cases = (words: Words): string =>
  [...words].map(([path, next]) => `    '${path}') next='${next.join(' ')}' ;;`).join('\n');

/** The words of every command, as a pattern of a shell. */
const commands = (words: Words): string =>
  [...words.keys()]
    .filter((path) => path !== '')
    .map((path) => `'${path}'`)
    .join('|');

// Words that lead to no command are arguments, and change nothing. Only names of commands and flags are in these scripts.
const bash = (words: Words): string => `# bash completion of thingward: source <(thingward completion bash)
_thingward() {
  local path='' next='' n
  for ((n = 1; n < COMP_CWORD; n++)); do
    case "\${path:+$path }\${COMP_WORDS[n]}" in
    ${commands(words)}) path="\${path:+$path }\${COMP_WORDS[n]}" ;;
    esac
  done
  case "$path" in
${cases(words)}
  esac
  COMPREPLY=($(compgen -W "$next" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _thingward thingward
`;

const zsh = (words: Words): string => `#compdef thingward
# zsh completion of thingward: source <(thingward completion zsh)
_thingward() {
  local path_='' next='' word
${zshPath(words)}
  case "$path_" in
${cases(words)}
  esac
  compadd -- \${=next}
  [[ "$words[CURRENT]" == -* ]] || _files
}
compdef _thingward thingward
`;

const zshPath = (words: Words): string => `  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${path_:+$path_ }$word" in
    ${commands(words)}) path_="\${path_:+$path_ }$word" ;;
    esac
  done`;

const fish = (words: Words): string => `# fish completion of thingward: thingward completion fish | source
function __thingward_next
  set -l path
  for word in (commandline -opc)[2..-1]
    switch (string join ' ' -- $path $word)
    case ${commands(words).replaceAll('|', ' ')}
      set -a path $word
    end
  end
  switch (string join ' ' -- $path)
${[...words].map(([path, next]) => `    case '${path}'\n      printf '%s\\n' ${next.join(' ')}`).join('\n')}
  end
end
complete -c thingward -a '(__thingward_next)'
`;
