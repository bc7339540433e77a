#compdef posthorn postfix postqueue postsuper postconf postmap postalias postcat postlog postlock postkick postdrop qshape postmulti posttls-finger smtp-source smtp-sink
# Completion for zsh: that of bash, which is installed beside.
autoload -Uz bashcompinit && bashcompinit
source ${${(%):-%x}:A:h}/../../bash-completion/completions/posthorn
_bash_complete -o default -F _posthorn
