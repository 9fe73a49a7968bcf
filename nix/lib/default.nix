# For flakes that use artifacts. Only builtins: it works with any nixpkgs.
let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    filter
    foldl'
    head
    mapAttrs
    toJSON
    ;

  outputs = {
    nixos = "nixosConfigurations";
    home-manager = "homeConfigurations";
    darwin = "darwinConfigurations";
  };

  public = import ./public.nix;

  label = spec: "${(head spec.targets).kind} `${(head spec.targets).name}`";

  # What all targets say who say anything; an error names two that differ.
  agreed =
    what: said: specs:
    let
      speakers = filter (spec: said spec != null) specs;
      first = head speakers;
      others = filter (spec: said spec != said first) speakers;
    in
    if speakers == [ ] then
      null
    else if others == [ ] then
      said first
    else
      throw "artifacts: ${label first} and ${label (head others)} disagree on ${what}: ${toJSON (said first)}, ${toJSON (said (head others))}";

  # The specs of one configuration and of those inside it. One that names itself otherwise has `takesItselfFor` in their place.
  specsOf =
    {
      self,
      system ? null,
    }:
    kind: name:
    import ./collect.nix { inherit kind name system; } (self.${outputs.${kind}} or { });

  # What a target is to be called, where it names itself otherwise.
  misnamed =
    one: "artifacts.target is `${one.takesItselfFor}`; set artifacts.target = \"${one.name}\";";

  joined =
    specs:
    let
      names = foldl' (all: spec: all // spec.backends) { } specs;
    in
    {
      schema = 1;
      root = agreed "artifacts.root" (spec: spec.root) specs;
      backends = mapAttrs (
        name: _: agreed "artifacts.backends.${name}" (spec: spec.backends.${name} or null) specs
      ) names;
      targets = concatMap (spec: spec.targets) specs;
    };
in
{
  # The spec of a whole flake, for `artifacts --spec` and for other front ends. The command itself evaluates each target in a
  # process of its own instead.
  mkArtifacts =
    {
      self,
      system ? null, # the admin's, for generators
    }@flake:
    let
      ofKind =
        kind:
        map refused (concatMap (specsOf flake kind) (attrNames (self.${outputs.${kind}} or { })));
      refused =
        one:
        if one ? takesItselfFor then
          throw "artifacts: ${one.kind} ${one.name}: ${misnamed one}"
        else
          one;
    in
    joined (concatLists (map ofKind (attrNames outputs)));

  # The spec of each target of a flake, by kind and name, for evaluators that spread targets over processes and machines: what
  # they print of each is a line of `artifacts --spec`. A machine's line has the users and containers inside it.
  mkTargets =
    {
      self,
      system ? null, # the admin's, for generators
    }@flake:
    let
      unevaluated = one: {
        inherit (one) kind name takesItselfFor;
        error = misnamed one;
      };
      ofTarget =
        kind: name: _:
        let
          found = specsOf flake kind name;
          others = filter (one: one ? takesItselfFor) found;
          spec = joined (filter (one: !(one ? takesItselfFor)) found);
        in
        if others == [ ] then spec else spec // { unevaluated = map unevaluated others; };
    in
    mapAttrs (kind: output: mapAttrs (ofTarget kind) (self.${output} or { })) outputs;

  # The text of a public file of any target, read from the stored copy: that target is not evaluated, so two machines may read
  # each other's. Until it is generated, `default` takes its place; without one, reading it fails with the command to run, as
  # reading `value` does.
  publicValue =
    {
      root, # the directory of the flake, as in `artifacts.root`
      instance, # "per-machine/<target>/<artifact>", "per-user/…" or "shared/<artifact>"
      file,
      storage ? "secrets", # of its backend
      ...
    }@arguments:
    let
      unknown = attrNames (
        removeAttrs arguments [
          "root"
          "instance"
          "file"
          "storage"
          "default"
        ]
      );
      isName = name: builtins.match "[^/]+" name != null && name != "." && name != "..";
      parts = filter builtins.isString (builtins.split "/" instance);
      isInstance =
        builtins.all isName parts
        && (
          builtins.length parts == 3 && builtins.elem (head parts) [
            "per-machine"
            "per-user"
          ]
          || builtins.length parts == 2 && head parts == "shared"
        );
      path = public.entry root storage instance + "/public/${file}";
    in
    if unknown != [ ] then
      throw "artifacts.lib.publicValue: unknown argument `${head unknown}`; it takes root, instance, file, storage and default"
    else if !isInstance then
      throw "artifacts.lib.publicValue: `${instance}` is not an instance; write \"per-machine/<target>/<artifact>\", \"per-user/<target>/<artifact>\" or \"shared/<artifact>\""
    else if !isName file then
      throw "artifacts.lib.publicValue: `${file}` is not a file of ${instance}"
    else if builtins.pathExists path then
      public.text path
    else
      arguments.default or (public.missing instance file);

  # A module that registers a backend, for machines and users alike; `entry` has the options of `artifacts.backends.<name>`.
  registerBackend = name: entry: {
    _file = "artifacts.lib.registerBackend \"${name}\"";
    artifacts.backends.${name} = entry;
  };
}
