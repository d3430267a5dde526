#!/bin/sh
# Runs a program of the suite on the calm simulated kernel, then on a rough one.
#
#   both_plans.sh ROUGH SKIP SKIP_ROUGH SKIP_SHORT COMMAND...
#
# ROUGH: always, or long: then only with WEFT_LONG=1, which also takes more seeds. The rest are lists of
# cases to be left out, apart by commas: always, on the rough one besides, and where WEFT_LONG is not
# set besides. Ends with 0 when every run has.
rough=$1 skip=$2 skip_rough=$3 skip_short=$4
shift 4

case ${WEFT_LONG:-0} in
    0) long= skip=$skip,$skip_short ;;
    *) long=yes ;;
esac
status=0
run() {
    echo "WEFT_SIM_PLAN='$WEFT_SIM_PLAN' WEFT_SIM_SEED=$WEFT_SIM_SEED TEST_SKIP=$TEST_SKIP"
    "$@" || status=1
}
export WEFT_SIM_PLAN="calm net.latency=0" WEFT_SIM_SEED=1 TEST_SKIP="$skip"
run "$@"
seeds=
[ "$rough" = long ] || seeds=1
[ -z "$long" ] || seeds="1 2 3"
export WEFT_SIM_PLAN="rough net.latency=0" TEST_SKIP="$skip,$skip_rough"
for seed in $seeds; do
    export WEFT_SIM_SEED="$seed"
    run "$@"
done
exit "$status"
