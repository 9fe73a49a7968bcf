# The name of one of an attribute set's submodules, for whoever reads its values.
{ lib }:
what: name:
lib.mkOption {
  type = lib.types.str;
  default = name;
  readOnly = true;
  internal = true;
  description = "The ${what}'s name.";
}
