# The options of our modules, made bare: the same names and types, in one module, and nothing else: no check and no function.
{
  lib, # nixpkgs' own
  options, # our tree below `artifacts`, as it evaluates
}:
let
  inherit (lib) mkOption types;

  # Defaults that follow from names, the outermost first, and from other options. All others are those of our tree.
  following = config: {
    "" = _: { target = config.networking.hostName; };
    "store." =
      artifact:
      let
        own = "per-machine/${config.artifacts.target}/${lib.head artifact}";
      in
      {
        name = lib.head artifact;
        backend = config.artifacts.default.backend;
        instance = own;
        # Nothing is stored.
        entry = null;
      };
    "store.files." = names: {
      name = lib.last names;
      path = "/run/artifacts/${lib.concatStringsSep "/" names}";
    };
    "store.prompts." = names: { name = lib.last names; };
    "backends." = names: { component = "builtin:${lib.last names}"; };
  };

  option =
    given: type: mkOption ({ inherit type; } // lib.optionalAttrs (given ? default) { inherit (given) default; });

  # Options below a path. What does not depend on names is made once.
  level =
    path: tree:
    let
      isNested = given: !lib.isOption given || holdsSubmodule given.type;
      plain = lib.mapAttrs (_: given: option given given.type) (lib.filterAttrs (_: given: !isNested given) tree);
      nested = lib.mapAttrs (
        name: given:
        let
          below = "${path}${name}.";
          type = bareType below given.type;
        in
        if lib.isOption given then config: names: option given (type config names) else level below given
      ) (lib.filterAttrs (_: isNested) tree);
    in
    config: names:
    plain
    // lib.mapAttrs (_: made: made config names) nested
    // lib.mapAttrs (name: default: plain.${name} // { inherit default; }) (
      ((following config).${path} or (_: { })) names
    );

  holdsSubmodule =
    type: type.name == "submodule" || type.name == "attrsOf" && holdsSubmodule type.nestedTypes.elemType;

  # A type with bare submodules, below a path.
  bareType =
    path: type:
    if !holdsSubmodule type then
      _: _: type
    else if type.name == "attrsOf" then
      let
        element = bareType path type.nestedTypes.elemType;
      in
      config: names: types.attrsOf (element config names)
    else
      let
        made = level path (
          removeAttrs (type.getSubOptions [ ]) [
            "_module"
            "_freeformOptions"
          ]
        );
        freeform = type.nestedTypes.freeformType or null;
      in
      config: names:
      types.submodule (
        { name, ... }:
        { options = made config (names ++ [ name ]); } // lib.optionalAttrs (freeform != null) { freeformType = freeform; }
      );

  all = level "" options;
in
{ config, ... }:
{
  options.artifacts = all config [ ];
}
