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
      description = "Its WebAssembly component: a derivation, a file, or `builtin:<name>` for a bundled one.";
      example = literalExpression "./backends/vault.wasm";
    };

    sha256 = mkOption {
      type = types.nullOr (types.strMatching "[0-9a-f]{64}");
      default = null;
      description = ''
        The SHA-256 of the component, in hex; one with another is refused. A component in the Nix store needs none.
      '';
      example = "592ee9c72eda40f3a4d7f1c9a1c6ad2a61a1a1c0b0f1dd8e3d7e3ff9d9a2c7b1";
    };

    storage = mkOption {
      type = types.str;
      default = "secrets";
      description = ''
        The folder below `artifacts.root` that holds what it stores, as `per-machine/<target>/<artifact>`,
        `per-user/<target>/<artifact>` and `shared/<artifact>`. Backends may have the same one.
      '';
      example = "vault";
    };

    grants = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      description = ''
        What it may do, of what its component asks for; nothing else, and by default nothing. `plaintext`: see secrets.
        `identities`: have the host open, with the admin's keys, what it stored for the same file of the same instance.
        Each admin is asked once whether that shall be so on their machine.
      '';
      example = {
        plaintext = true;
      };
    };

    limits = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      description = ''
        How much it may use, where that is not enough: `memory` in bytes (256 MiB), `time` of a call in seconds (10), `output`
        in bytes (64 MiB) and `files` in number (4096) of one stored copy.
      '';
      example = {
        memory = 1073741824;
        time = 60;
      };
    };
  };
}
