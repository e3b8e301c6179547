"""The languages that data docs may name: a client can put anything into ``language``, so it is a closed vocabulary."""

from __future__ import annotations

LANGUAGES = (
    "bat", "bibtex", "c", "clojure", "coffeescript", "cpp", "csharp", "css", "cuda-cpp", "dart", "diff", "dockerfile",
    "elixir", "elm", "erlang", "fsharp", "git-commit", "git-rebase", "go", "graphql", "groovy", "haml", "handlebars",
    "haskell", "html", "ini", "jade", "java", "javascript", "javascriptreact", "json", "jsonc", "jsonl", "julia",
    "jupyter", "kotlin", "latex", "less", "lua", "makefile", "markdown", "nix", "objective-c", "objective-cpp", "ocaml",
    "perl", "perl6", "php", "plaintext", "powershell", "properties", "proto3", "pug", "python", "r", "razor", "ruby",
    "rust", "sass", "scala", "scss", "shaderlab", "shellscript", "slim", "sql", "stylus", "svelte", "svg", "swift",
    "terraform", "tex", "toml", "tsx", "typescript", "typescriptreact", "vb", "vue", "xml", "xsl", "yaml", "zig",
)  # fmt: skip
"""VS Code's languageIds, and those of widespread extensions; any other becomes ``unknown``."""
