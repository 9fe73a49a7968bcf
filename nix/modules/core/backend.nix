# One entry of the registry of backends.
{ lib }:
{ name, ... }:
let
  inherit (lib) mkOption types literalExpression;
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
      type = types.attrsOf types.anything;
      default = { };
      description = ''
        Grants for this backend. Only grants that the component also requests take effect. The default is none. `plaintext`: read
        secrets. `identities`: have the host decrypt, with the admin's identities, what it stored for the same file of the same
        instance. Each admin must accept the grants once on their machine.
      '';
      example = {
        plaintext = true;
      };
    };

    limits = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      description = ''
        Resource limits, where the default is not enough: `memory` in bytes (256 MiB), `time` of a call in seconds (10), `output`
        in bytes (64 MiB) and `files` in number (4096) of one entry.
      '';
      example = {
        memory = 1073741824;
        time = 60;
      };
    };
  };
}
