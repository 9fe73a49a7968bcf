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
    programs.artifacts = program "artifacts" "which generates on-target artifacts";

    installers = mkOption {
      internal = true;
      default = { };
      description = "How each backend's files are deployed; set by the module that deploys them.";
      type = types.attrsOf (
        types.submodule {
          options = {
            units = mkOption {
              type = types.listOf types.str;
              default = [ ];
              description = "The systemd units that deploy the files, if that is not done before systemd starts.";
              internal = true;
            };
            onTarget = mkOption {
              type = types.bool;
              default = false;
              description = "Whether the files are generated on the target.";
              internal = true;
            };
          };
        }
      );
    };
  };
}
