# One entry of the registry of backends.
{ lib }:
{ name, ... }:
let
  inherit (lib) mkOption types literalExpression;
in
{
  options = {
    component = mkOption {
      type = types.either (types.addCheck types.package builtins.isAttrs) (types.either types.path types.str);
      default = "builtin:${name}";
      defaultText = literalExpression ''"builtin:<name>"'';
      description = "Its WebAssembly component: a derivation, a file, or `builtin:<name>` for a bundled one.";
      example = literalExpression "./backends/vault.wasm";
    };

    sha256 = mkOption {
      type = types.nullOr (types.strMatching "[0-9a-f]{64}");
      default = null;
      description = "The SHA-256 of the component, in hex; another one is refused.";
    };

    storage = mkOption {
      type = types.str;
      default = "secrets";
      description = "The folder below `artifacts.root` that holds what it stores.";
    };

    grants = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      description = "What it may do, of what its component asks for.";
      example = {
        plaintext = true;
      };
    };

    limits = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      description = "How much memory, time and output it may use.";
    };
  };
}
