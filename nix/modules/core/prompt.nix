# One question.
{ lib }:
let
  inherit (lib) mkOption types literalExpression;

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
      description = "How it is asked. `hidden` is not shown and asked twice; the multiline ones end with end of input.";
    };

    testValue = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The answer in made-up deployments. It is world-readable.";
    };
  };
in
{ name, ... }:
{
  options = fixed // {
    name = mkOption {
      type = types.str;
      default = name;
      readOnly = true;
      internal = true;
      description = "The prompt's name.";
    };

    description = mkOption {
      type = types.str;
      default = "input for ${name}";
      defaultText = literalExpression ''"input for <prompt>"'';
      description = "What the person is asked for.";
    };
  };
}
