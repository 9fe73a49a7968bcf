# What the units need to know besides the declarations.
{
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types literalExpression;

  program =
    name: what:
    mkOption {
      type = types.nullOr (types.either (types.addCheck types.package builtins.isAttrs) types.path);
      default = pkgs.${name} or null;
      defaultText = literalExpression "pkgs.${name} or null";
      description = "The package with `bin/${name}`, ${what}.";
      example = literalExpression "inputs.artifacts.packages.x86_64-linux.${name}";
    };
in
{
  options.artifacts = {
    programs.artifacts-target = program "artifacts-target" "which follows the files on the target";
    programs.artifacts = program "artifacts" "which makes on the target what a backend has made there";

    installers = mkOption {
      internal = true;
      default = { };
      description = "How each backend's files come onto the target; set by the module that brings them there.";
      type = types.attrsOf (
        types.submodule {
          options = {
            units = mkOption {
              type = types.listOf types.str;
              default = [ ];
              description = "The systemd units that put files in place, where it is not done before systemd starts.";
              internal = true;
            };
            onTarget = mkOption {
              type = types.bool;
              default = false;
              description = "Whether the files are made on the target.";
              internal = true;
            };
          };
        }
      );
    };
  };
}
