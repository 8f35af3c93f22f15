"""Starlark for contracts: parsed, resolved and evaluated here, so that every step is metered.

The language is that of the Starlark specification (bazelbuild/starlark), without floats, `load`
and sets; docs/contracts.md lists what differs. Source becomes tokens (`lexer`), a tree (`syntax`,
`parser`), names with places (`resolver`), and closures that run (`expressions`, `statements`).
Gas and every limit stand in `thread`.
"""
