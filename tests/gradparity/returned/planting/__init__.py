"""Wrong implementations, written as code: templates in other people's styles, and edits of them.

A template is the source of a subject with a place for each factor of each equation,
`<B8f.C_prev>`. Filled with the right forms it is a right implementation; filled with a
wrong form of the table, in the template's own names, it is one with that mistake.
"""
