"""The contributor's runner: measures with `pepys.bench` and writes what came of it into RESULTS.md."""
