# One entry of the registry of backends.
{ lib }:
{ name, ... }:
let
  inherit (lib)
    attrNames
    concatStringsSep
    filterAttrs
    literalExpression
    mkOption
    mkOptionType
    types
    ;

  # A set of these options alone: another name is an error that lists them.
  closed =
    what: options:
    types.submodule {
      inherit options;
      freeformType = types.attrsOf (mkOptionType {
        name = "unknown";
        description = "a ${what} that exists: ${concatStringsSep ", " (attrNames options)}";
        check = _: false;
      });
    };

  limit =
    most: example: description:
    mkOption {
      type = types.nullOr (types.ints.between 1 most);
      default = null;
      inherit description example;
    };

  # What was not given is not in the spec.
  given = filterAttrs (_: value: value != null);
in
{
  options = {
    component = mkOption {
      type = types.either (types.addCheck types.package builtins.isAttrs) (
        types.either types.path types.str
      );
      default = "builtin:${name}";
      defaultText = literalExpression ''"builtin:<name>"'';
      description = "WebAssembly component: a derivation, a file, or `builtin:<name>` for a bundled one.";
      example = literalExpression "./backends/vault.wasm";
    };

    sha256 = mkOption {
      type = types.nullOr (types.strMatching "[0-9a-f]{64}");
      default = null;
      description = ''
        Expected SHA-256 of the component, in hexadecimal. Required outside the Nix store.
      '';
      example = "592ee9c72eda40f3a4d7f1c9a1c6ad2a61a1a1c0b0f1dd8e3d7e3ff9d9a2c7b1";
    };

    storage = mkOption {
      type = types.str;
      default = "secrets";
      description = ''
        Directory below `artifacts.root` that holds its entries, as `per-machine/<target>/<artifact>`,
        `per-user/<target>/<artifact>` and `shared/<artifact>`. Several backends may share a directory.
      '';
      example = "vault";
    };

    grants = mkOption {
      type = closed "grant" {
        plaintext = mkOption {
          type = types.nullOr types.bool;
          default = null;
          description = "Whether it may see the secrets that it stores.";
          example = true;
        };
        identities = mkOption {
          type = types.nullOr types.bool;
          default = null;
          description = ''
            Whether it may have the host open, with the admin's keys, what it stored for the same file of the same instance.
          '';
          example = true;
        };
      };
      default = { };
      apply = given;
      description = ''
        Grants for this backend. Only grants that the component also requests take effect. The default is none. Each admin must accept
        the grants once on their machine.
      '';
      example = {
        plaintext = true;
      };
    };

    limits = mkOption {
      type = closed "limit" {
        memory = limit 4294967296 1073741824 "The memory of its component, in bytes (256 MiB; at most 4 GiB).";
        time = limit 3600 60 "The time of a call, in seconds (10; at most an hour).";
        output = limit 1073741824 134217728 "The size of one stored copy, in bytes (64 MiB; at most 1 GiB).";
        files = limit 100000 10000 "The number of files in one stored copy (4096; at most 100000).";
      };
      default = { };
      apply = given;
      description = ''
        Resource limits, where the defaults are not enough. Each admin must accept limits above the defaults once on their machine,
        except for bundled backends.
      '';
      example = {
        memory = 1073741824;
        time = 60;
      };
    };
  };
}
