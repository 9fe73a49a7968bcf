# Names as systemd writes them.
{ lib }:
let
  inherit (builtins)
    fromJSON
    genList
    listToAttrs
    replaceStrings
    substring
    toJSON
    ;

  hex = number: lib.toLower (lib.fixedWidthString 2 "0" (lib.toHexString number));
  pair = byte: number: {
    name = byte;
    value = number;
  };
  character = code: fromJSON ''"\u${lib.fixedWidthString 4 "0" (lib.toHexString code)}"'';
  first = text: substring 0 1 text;

  # Nix has no function from a byte to its number, and no way to write a single byte above 127. They are taken from
  # characters whose UTF-8 begins or ends with them.
  number = listToAttrs (
    genList (n: pair (character (n + 1)) (n + 1)) 127
    ++ genList (n: pair (substring 1 1 (character (128 + n))) (128 + n)) 64
    ++ genList (n: pair (first (character (64 * (n + 2)))) (194 + n)) 30
    ++ [ (pair (first (character 2048)) 224) ]
    ++ genList (n: pair (first (character (4096 * (n + 1)))) (225 + n)) 12
    ++ [ (pair (first (character 53248)) 237) ]
    ++ genList (n: pair (first (character (57344 + 4096 * n))) (238 + n)) 2
    ++ genList (
      n: pair (first (fromJSON ''"\u${substring (4 * n) 4 "D800D8C0D9C0DAC0DBC0"}\uDC00"'')) (240 + n)
    ) 5
  );

  bytes = text: genList (n: substring n 1 text) (builtins.stringLength text);
  plain = byte: builtins.match "[a-zA-Z0-9:_.]" byte != null;
  escapeByte =
    byte:
    if byte == "/" then
      "-"
    else if plain byte then
      byte
    else
      "\\x${hex number.${byte}}";
in
{
  # What `systemd-escape` prints.
  name =
    text:
    let
      escaped = lib.concatMapStrings escapeByte (bytes text);
    in
    if lib.hasPrefix "." text then "\\x2e${lib.removePrefix "." escaped}" else escaped;

  # One word of a command line: no specifier, no variable, no blank is seen in it.
  word = text: replaceStrings [ "%" "$" ] [ "%%" "$$" ] (toJSON text);

  # A description: no specifier is seen in it, and none of it joins the next line.
  text = replaceStrings [ "%" "\\" ] [ "%%" "\\\\" ];

  # What is taken as it is but for specifiers.
  text' = replaceStrings [ "%" ] [ "%%" ];

  # One path of a setting that takes several.
  path = text: replaceStrings [ "%" ] [ "%%" ] (toJSON text);
}
