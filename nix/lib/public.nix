# What is public of an entry, and what is said while it is not there. Only builtins, for flakes with any nixpkgs.
rec {
  # One word of a command line.
  shellWord =
    word:
    if builtins.match "[a-zA-Z0-9/_.@+-]+" word != null then
      word
    else
      "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] word}'";

  missing =
    instance: file:
    throw "artifacts: ${instance}: `${file}` is not generated yet; run: artifacts generate ${shellWord instance}";

  # A text without its final newline.
  text =
    path:
    let
      all = builtins.readFile path;
      length = builtins.stringLength all;
    in
    if length > 0 && builtins.substring (length - 1) 1 all == "\n" then
      builtins.substring 0 (length - 1) all
    else
      all;

  # The path of an entry, which is in a store or in a checkout; a path and not a string, so that using one of its files copies that
  # file alone.
  entry =
    root: storage: instance:
    /. + "${builtins.unsafeDiscardStringContext (toString root)}/${storage}/${instance}";
}
