# What one configuration has of other tools' secrets, as plain data, for `artifacts import`. Like collect.nix it uses builtins only, and
# what of a secret does not evaluate is left out and named.
config:
let
  inherit (builtins)
    attrNames
    concatMap
    deepSeq
    filter
    isAttrs
    isFunction
    isList
    isPath
    isString
    listToAttrs
    map
    mapAttrs
    substring
    stringLength
    tryEval
    unsafeDiscardStringContext
    ;

  plain =
    value:
    if isPath value then
      unsafeDiscardStringContext (toString value)
    else if isString value then
      unsafeDiscardStringContext value
    else if isList value then
      map plain value
    else if isAttrs value && value ? outPath then
      plain value.outPath
    else if isAttrs value then
      mapAttrs (_: plain) value
    else if isFunction value then
      throw "artifacts: a function is not data"
    else
      value;

  attempt =
    fallback: value:
    let
      data = plain value;
      result = tryEval (deepSeq data data);
    in
    if result.success then result.value else fallback;

  begins =
    start: text: isString text && substring 0 (stringLength start) text == start;

  # The fields of a secret, and the names of those that fail.
  fieldsOf =
    fields: set:
    let
      present = filter (field: set ? ${field}) fields;
      read = map (field: {
        name = field;
        value = tryEval (
          let
            data = plain set.${field};
          in
          deepSeq data data
        );
      }) present;
    in
    listToAttrs (
      map (one: one // { value = one.value.value; }) (filter (one: one.value.success) read)
    )
    // {
      failed = map (one: one.name) (filter (one: !one.value.success) read);
    };

  # What our own modules declare for these tools is not theirs.
  own = concatMap (
    artifact: map (file: "${artifact}/${file}") (attempt [ ] (attrNames store.${artifact}.files))
  ) (attrNames store);
  store = if config ? artifacts.store then config.artifacts.store else { };
  theirs = secrets: removeAttrs secrets own;

  # A default path is of no use to us: it is in a directory that the tool replaces.
  without = defaults: secret: if defaults secret then removeAttrs secret [ "path" ] else secret;

  agenixSecret =
    secret:
    without
      (
        one:
        one ? path && (attempt "" "${config.age.secretsDir}/${secret.name}") == one.path
      )
      (
        fieldsOf [
          "file"
          "rekeyFile"
          "intermediary"
          "path"
          "mode"
          "owner"
          "group"
          "symlink"
        ] secret
      )
    // {
      # Of agenix-rekey: a name, or a function whose text Nix does not show.
      generator = secret ? generator && attempt true (secret.generator != null);
    };

  # A key as it is, or the text of its file.
  key =
    value:
    let
      text = if isPath value then builtins.readFile value else value;
    in
    if isString text then text else throw "artifacts: not a key";

  sopsDefault =
    one:
    one ? path
    && (
      begins "/run/secrets/" one.path
      || begins "/run/secrets-for-users/" one.path
      || begins "${attempt "/run/secrets" config.sops.defaultSymlinkPath}/" one.path
    );

  sopsSecret =
    secret:
    without sopsDefault (
      fieldsOf [
        "sopsFile"
        "key"
        "format"
        "path"
        "mode"
        "owner"
        "uid"
        "group"
        "gid"
        "neededForUsers"
        "restartUnits"
        "reloadUnits"
      ] secret
    );

  # All of a set, where one that fails costs no other.
  each =
    read:
    mapAttrs (
      _: one:
      attempt {
        failed = [ "all" ];
      } (read one)
    );

  clanFile = fieldsOf [
    "secret"
    "deploy"
    "mode"
    "owner"
    "group"
    "neededFor"
    "restartUnits"
  ];

  clanGenerator = generator: {
    share = attempt false (generator.share or false);
    files = each clanFile (shallow { } generator.files);
  };

  # Only the names of a set, not what is in it.
  shallow =
    fallback: set:
    let
      result = tryEval (if isAttrs set then deepSeq (attrNames set) set else fallback);
    in
    if result.success then result.value else fallback;

  declaredNames = artifact: {
    shared = artifact.shared or false;
    files = attrNames artifact.files;
  };

  rekey = config.age.rekey or { };
in
{
  hasArtifacts = config ? artifacts.store;
  root = attempt null (if config.artifacts.root or null == null then null else toString config.artifacts.root);
  declared = each declaredNames store;
  backend = attempt null (config.artifacts.default.backend or null);
  format = attempt null (config.artifacts.config.sops-nix.format or null);
  hostKey = attempt null (config.artifacts.hostKey or null);
  recipients = attempt { } (config.artifacts.recipients or { });
  agenix = each agenixSecret (theirs (shallow { } (config.age.secrets or { })));
  rekey = {
    hostKey = attempt null (if rekey.hostPubkey or null == null then null else key rekey.hostPubkey);
    masters = concatMap (
      one: attempt [ ] (if isAttrs one && one.pubkey or null != null then [ (key one.pubkey) ] else [ ])
    ) (
      let
        list = tryEval (rekey.masterIdentities or [ ]);
      in
      if list.success then list.value else [ ]
    );
    others = attempt [ ] (
      map key (filter (one: isString one) (rekey.extraEncryptionPubkeys or [ ]))
    );
  };
  sops = each sopsSecret (theirs (shallow { } (config.sops.secrets or { })));
  templates = attempt [ ] (attrNames (config.sops.templates or { }));
  clan = each clanGenerator (shallow { } (config.clan.core.vars.generators or { }));
}
