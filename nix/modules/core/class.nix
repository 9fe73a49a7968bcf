# The kind of configurations that a module is for. Versions of nixpkgs' `lib` before 23.05 know no such word.
lib: class:
lib.optionalAttrs (builtins.functionArgs lib.evalModules ? class) { _class = class; }
