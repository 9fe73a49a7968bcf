#compdef artifacts
# Completion of artifacts for zsh. The shell quotes what is inserted; nothing of the line or of a name is run.
_artifacts() {
    local mode word
    local -a whole begun
    {
        IFS= read -r mode
        while IFS= read -r word; do
            if [[ $word == */ ]]; then
                begun+=("$word")
            else
                whole+=("$word")
            fi
        done
    } < <(command artifacts complete zsh -- "${(@)words[1,CURRENT-1]}" "$PREFIX" 2>/dev/null)
    if [[ $mode == files ]]; then
        _files
        return
    fi
    local found=1
    (( $#whole )) && compadd -a whole && found=0
    (( $#begun )) && compadd -S '' -a begun && found=0
    return found
}
if [[ $funcstack[1] == _artifacts ]]; then
    _artifacts "$@"
else
    compdef _artifacts artifacts
fi
