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
  imports = [
    (lib.mkRenamedOptionModule
      [
        "artifacts"
        "programs"
        "artifacts"
      ]
      [
        "artifacts"
        "package"
      ]
    )
    (lib.mkRenamedOptionModule
      [
        "artifacts"
        "programs"
        "artifacts-target"
      ]
      [
        "artifacts"
        "targetPackage"
      ]
    )
  ];

  options.artifacts = {
    targetPackage = program "artifacts-target" "which follows the files on the target";
    package = program "artifacts" "which generates on-target artifacts";

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
            notifies = mkOption {
              type = types.bool;
              default = false;
              description = "Whether the backend's own tool restarts and reloads units, where `targetPackage` is null.";
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
