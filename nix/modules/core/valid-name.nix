# Whether a text is a valid name of an artifact, file, prompt or target: the rule of the spec, as far as Nix can test it.
# host/declared/tests/names.json has the cases that both are tested with. Nix knows the assigned invisible characters up to
# U+FFFF; the command rejects the others.
lib:
let
  # First and last code points.
  ranges = [
    [ 128 159 ] # U+0080 to U+009F, control characters
    [ 173 173 ] # U+00AD
    [ 847 847 ] # U+034F
    [ 1564 1564 ] # U+061C
    [ 4447 4448 ] # U+115F, U+1160
    [ 6068 6069 ] # U+17B4, U+17B5
    [ 6155 6159 ] # U+180B to U+180F
    [ 8203 8207 ] # U+200B to U+200F
    [ 8232 8238 ] # U+2028 to U+202E
    [ 8288 8303 ] # U+2060 to U+206F
    [ 12644 12644 ] # U+3164
    [ 65024 65039 ] # U+FE00 to U+FE0F
    [ 65279 65279 ] # U+FEFF
    [ 65440 65440 ] # U+FFA0
    [ 65529 65531 ] # U+FFF9 to U+FFFB
  ];
  points = lib.concatMap (range: lib.range (builtins.elemAt range 0) (builtins.elemAt range 1)) ranges;
  character = point: builtins.fromJSON "\"\\u${lib.fixedWidthString 4 "0" (lib.toHexString point)}\"";
  invisible = map character points;
  nothing = map (_: "") invisible;
in
name:
name != "."
&& name != ".."
&& builtins.stringLength name <= 200
&& builtins.match "[^-/\\[:cntrl:]][^/\\[:cntrl:]]*" name != null
&& builtins.replaceStrings invisible nothing name == name
