"""What works on this machine and what does not, each with its remedy.

Owns the list of checks (`examine`) and what a finding is (`findings`); `away`, `devices` (with `levels`), `engines`,
`home` and `pictures` hold the checks themselves. Invariants: a check never raises and ends within a deadline; it
changes nothing, makes no key and no home; codecs are tried in a child process, never here. How findings are shown is
left to the command line.
"""
