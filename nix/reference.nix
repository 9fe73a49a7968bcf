# The reference of all options, as Markdown, made from the modules: it cannot say anything else than they do.
{ lib }:
let
  optionsOf =
    module:
    let
      evaluated = lib.evalModules {
        modules = [
          module
          { _module.check = false; }
        ];
        specialArgs.pkgs = throw "the reference of options needs no package";
      };
      all = lib.optionAttrSetToDocList evaluated.options.artifacts;
      shown = lib.filter (
        option: option.visible && !option.internal && !lib.hasInfix "_module" option.name
      ) all;
    in
    lib.listToAttrs (map (option: lib.nameValuePair option.name option) shown);

  nixos = optionsOf ./modules/nixos.nix;
  home = optionsOf ./modules/home-manager.nix;

  # Top-level options first, then what is inside of them.
  names = lib.attrNames (nixos // home);

  text = value: if builtins.isString value then value else value.text or (builtins.toJSON value);
  code = value: lib.removeSuffix "\n" (text value);
  oneLine = value: !lib.hasInfix "\n" (code value);
  block =
    label: value:
    if oneLine value then
      [ "- ${label}: `${code value}`" ]
    else
      [
        "- ${label}:"
        ""
        "  ```nix"
      ]
      ++ map (line: if line == "" then "" else "  ${line}") (lib.splitString "\n" (code value))
      ++ [ "  ```" ];

  # Older and newer versions of nixpkgs' `lib` describe the same type in other words: here it is always the same ones.
  typeOf =
    option:
    lib.replaceStrings
      [
        "absolute path"
        "open submodule of "
        ", meaning >0, or "
      ]
      [
        "path"
        ""
        ", meaning >0 or "
      ]
      option.type;

  only =
    name:
    if !(home ? ${name}) then
      [ "- only for machines" ]
    else if !(nixos ? ${name}) then
      [ "- only for users" ]
    else
      [ ];

  defaults =
    name:
    let
      here = nixos.${name}.default or null;
      there = home.${name}.default or null;
    in
    if here == null && there == null then
      [ ]
    else if here == null then
      block "default" there
    else if there == null || code here == code there then
      block "default" here
    else
      block "default for a machine" here ++ block "default for a user" there;

  entry =
    name:
    let
      option = nixos.${name} or home.${name};
    in
    lib.concatStringsSep "\n" (
      [
        "## `${name}`"
        ""
        (lib.removeSuffix "\n" (text option.description))
        ""
        "- type: ${typeOf option}"
      ]
      ++ defaults name
      ++ lib.optionals (option ? example) (block "example" option.example)
      ++ lib.optional (option.readOnly or false) "- read-only"
      ++ only name
    );
in
''
  # Options

  Made from the modules in `nix/modules`; do not edit. The options of NixOS (and nix-darwin) and of Home Manager, which are the
  same but for those marked.

  ${lib.concatMapStringsSep "\n\n" entry names}
''
