// Reads the prose of the repository: papers, and the comments and texts of the source code. `npm run lint:prose` reads
// all of it, `node scripts/prose.mjs FILE...` what is named. The house words are in prose-rules.yml.
import { readdirSync, readFileSync } from 'node:fs';
import { TextlintKernel } from '@textlint/kernel';
import markdown from '@textlint/textlint-plugin-markdown';
import houseWords from 'textlint-rule-prh';
import sentenceLength from 'textlint-rule-sentence-length';
import ts from 'typescript';

const longestSentence = 300;
const plugins = [{ pluginId: 'markdown', plugin: markdown.default }];
const rules = [
  {
    ruleId: 'house-words',
    rule: houseWords.default,
    options: { rulePaths: ['scripts/prose-rules.yml'], checkEmphasis: true, checkLink: true },
  },
  { ruleId: 'sentence-length', rule: sentenceLength.default, options: { max: longestSentence } },
];

function everything() {
  const papers = [
    ...readdirSync('.'),
    ...readdirSync('docs', { recursive: true }).map((name) => `docs/${name}`),
    'deploy/edge/README.md',
  ];
  const programs = readdirSync('src', { recursive: true }).map((name) => `src/${name}`);
  return [
    ...papers.filter((path) => path.endsWith('.md')),
    ...programs.filter((path) => path.endsWith('.ts') && !/^src\/(db|client)\/generated\//.test(path)),
  ];
}

/** The comments and texts of a program as Markdown, each in the line where it stands in the program. */
function proseOf(program) {
  const source = ts.createSourceFile('program.ts', program, ts.ScriptTarget.Latest, true);
  const lines = program.split('\n').map(() => '');
  const add = (position, text) => {
    const { line: first } = source.getLineAndCharacterOfPosition(position);
    // Each is a sentence of its own, whatever stands beside it.
    const ended = /[.:;,!?]\s*$/.test(text) ? text : `${text}.`;
    for (const [number, line] of ended.split('\n').entries()) lines[first + number] += `${line} `;
  };
  const comments = new Map();
  const visit = (node) => {
    const before = [ts.getTrailingCommentRanges(program, node.pos), ts.getLeadingCommentRanges(program, node.pos)];
    for (const { pos, end } of before.flatMap((ranges) => ranges ?? [])) comments.set(pos, program.slice(pos, end));
    if (ts.isTaggedTemplateExpression(node) || ts.isImportDeclaration(node)) return;
    if (ts.isStringLiteralLike(node) && isProse(node.text)) add(node.getStart(source), oneLine(node.text));
    if (ts.isTemplateExpression(node)) {
      // A value in a text is read as a word.
      const text = [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join('`value`');
      if (isProse(text)) add(node.getStart(source), oneLine(text));
    }
    node.getChildren(source).forEach(visit);
  };
  visit(source);
  for (const [position, comment] of comments) add(position, withoutMarks(comment));
  return lines.map((line) => line.trim()).join('\n');
}

function oneLine(text) {
  return text.replace(/\s+/g, ' ').trim();
}

function withoutMarks(comment) {
  return comment.replace(/^\/\*+|\*+\/$/g, '').replace(/^[ \t]*(?:\/\/|\*)/gm, '');
}

/** Three words or more, and no SQL. */
function isProse(text) {
  return (
    /[a-z]+[,:;]? [a-z]+[,:;]? [a-z]+/i.test(text) &&
    !/^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|SET|CREATE)\b/.test(text)
  );
}

async function lint(path) {
  const content = readFileSync(path, 'utf8');
  const text = path.endsWith('.ts') ? proseOf(content) : content;
  const options = { filePath: path, ext: '.md', plugins, rules, configBaseDir: process.cwd() };
  const { messages } = await new TextlintKernel().lintText(text, options);
  return messages.map(({ line, message }) => `${path}:${line}: ${message.replace(/\s+/g, ' ')}`);
}

const paths = process.argv.length > 2 ? process.argv.slice(2) : everything();
const findings = [];
for (const path of paths) findings.push(...(await lint(path)));
for (const finding of findings) console.log(finding);
if (findings.length > 0) process.exitCode = 1;
else console.log(`${paths.length} files read, no findings`);
