# One question.
{ lib }:
let
  inherit (lib) mkOption types literalExpression;
  called = import ./name.nix { inherit lib; };

  # What does not depend on which prompt it is: made once.
  fixed = {
    type = mkOption {
      type = types.enum [
        "hidden"
        "line"
        "multiline"
        "multiline-hidden"
      ];
      default = "hidden";
      description = ''
        Kind of input. `line`: one line. `hidden`: one line that is not shown, entered twice. `multiline`: lines up to
        the end of input (Ctrl-D). `multiline-hidden`: such lines, not shown.
      '';
      example = "line";
    };

    testValue = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "Answer for test machines. World-readable: do not use a real secret.";
      example = "hunter2";
    };
  };
in
{ name, config, ... }:
{
  options = fixed // {
    name = called "prompt" name;

    required = mkOption {
      type = types.bool;
      default = config.type == "hidden" || config.type == "multiline-hidden";
      defaultText = literalExpression ''config.type == "hidden" || config.type == "multiline-hidden"'';
      description = "Whether an empty answer is rejected. If false, the prompt may be left empty.";
      example = false;
    };

    description = mkOption {
      type = types.str;
      default = "input for ${name}";
      defaultText = literalExpression ''"input for <prompt>"'';
      description = "Text that the prompt shows.";
      example = "API token from the provider's console";
    };
  };
}
