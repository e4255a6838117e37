import js from '@eslint/js';
import jsdoc from 'eslint-plugin-jsdoc';
import regexp from 'eslint-plugin-regexp';
import tseslint from 'typescript-eslint';

const restricted = [
  { selector: 'ThisExpression', message: 'functions and plain objects use no this' },
  { selector: 'SpreadElement > ObjectExpression', message: 'write the members one by one' },
];

export default tseslint.config(
  {
    ignores: [
      'packages/*/dist/',
      'dist',
      'data',
      'edge',
      '.ci-tools',
      'src/db/generated',
      'src/client/generated',
      'test/fixtures',
      '**/*.mjs',
      '**/*.cjs',
    ],
  },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Fastify's hooks are declared async by contract even where nothing is awaited.
      '@typescript-eslint/require-await': 'off',
      // Services are plain objects of functions that use no `this`, made to be handed on one by one.
      '@typescript-eslint/unbound-method': 'off',
      'no-restricted-syntax': ['error', ...restricted],
      eqeqeq: 'error',
      'max-lines': ['error', 300],
      // Factories hold their verbs, so lines say little about them; branches and depth do.
      // A switch counts once: its cases are there to be complete.
      complexity: ['error', { max: 14, variant: 'modified' }],
      'max-depth': ['error', 3],
    },
  },
  {
    // What comes from outside meets them; test/unit/expressions.test.ts asks a second checker.
    files: ['src/**'],
    plugins: { regexp },
    rules: {
      'regexp/no-super-linear-backtracking': ['error', { report: 'potential' }],
      'regexp/no-super-linear-move': ['error', { report: 'potential' }],
      'no-restricted-syntax': [
        'error',
        ...restricted,
        { selector: ':matches(NewExpression, CallExpression)[callee.name="RegExp"]', message: 'write a literal' },
      ],
    },
  },
  {
    // Shapes of requests describe themselves, and the type of what a documented function returns adds nothing to it.
    files: ['src/**'],
    ignores: ['src/shapes.ts', 'src/**/*schema.ts'],
    plugins: { jsdoc },
    rules: {
      'jsdoc/require-jsdoc': [
        'error',
        {
          publicOnly: { ancestorsOnly: true },
          enableFixer: false,
          require: { FunctionDeclaration: true, ArrowFunctionExpression: false, ClassDeclaration: true },
          contexts: [
            'ExportNamedDeclaration > VariableDeclaration',
            'ExportNamedDeclaration > TSTypeAliasDeclaration:not([typeAnnotation.typeName.name=/^(ReturnType|Awaited)$/])',
          ],
        },
      ],
    },
  },
  {
    // A redirect of the router is thrown, and React hands on promises that it does not read.
    files: ['console/**'],
    rules: {
      '@typescript-eslint/only-throw-error': [
        'error',
        { allow: [{ from: 'package', package: '@tanstack/router-core', name: 'Redirect' }] },
      ],
    },
  },
  {
    files: ['test/**', 'bench/**'],
    rules: {
      // Answers are read as whatever JSON came; the assertions are their types.
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
    },
  },
  {
    // A page, which no project of TypeScript knows.
    ...tseslint.configs.disableTypeChecked,
    files: ['deploy/**/*.js'],
    languageOptions: {
      parserOptions: { projectService: false },
      globals: { document: 'readonly', location: 'readonly', setTimeout: 'readonly' },
    },
  },
);
