# Durations: a number of seconds, or a number with a unit.
{ lib }:
let
  seconds = {
    s = 1;
    min = 60;
    h = 60 * 60;
    d = 24 * 60 * 60;
    w = 7 * 24 * 60 * 60;
    y = 365 * 24 * 60 * 60;
  };
  pattern = "([1-9][0-9]{0,8})(${lib.concatStringsSep "|" (lib.attrNames seconds)})";
  toSeconds =
    value:
    if builtins.isString value then
      let
        parts = builtins.match pattern value;
      in
      lib.toInt (builtins.elemAt parts 0) * seconds.${builtins.elemAt parts 1}
    else
      value;
in
{
  option =
    { description, example }:
    lib.mkOption {
      type = lib.types.nullOr (lib.types.either lib.types.ints.positive (lib.types.strMatching pattern));
      default = null;
      apply = toSeconds;
      description = "${description} Seconds, or a number with `s`, `min`, `h`, `d`, `w` or `y`.";
      inherit example;
    };
}
