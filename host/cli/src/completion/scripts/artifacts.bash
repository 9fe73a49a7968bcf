# Completion of artifacts for bash. Every word is inserted as `artifacts` quotes it; nothing of the line or of a name is run.
_artifacts() {
    local mode='' word
    COMPREPLY=()
    {
        IFS= read -r mode
        while IFS= read -r word; do
            COMPREPLY+=("$word")
        done
    } < <(command artifacts complete bash -- "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    case $mode in
        files) compopt -o default ;;
        nospace) compopt -o nospace ;;
    esac
}
complete -F _artifacts artifacts
