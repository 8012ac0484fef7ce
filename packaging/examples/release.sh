#!/bin/sh
# Lists a release, signs the list, and verifies it as a host will. Copy this into your repository as ci/release.sh;
# github-actions.yml and gitlab-ci.yml beside it call it there.
#
# usage: release.sh ARTIFACT SOURCE [BUILD-OPTION...]
#   ARTIFACT      the file that is published, such as dist/myapp.tar.gz. DRIFTD_NAME.manifest and its signature
#                 (.minisig) are written beside it
#   SOURCE        what will stand on the hosts: the directory that the artifact was packed from
#   BUILD-OPTION  as `driftd-manifest build` takes it: --mutable 'var/cache/**', --label env=production, ...
# environment:
#   DRIFTD_NAME          the product, as the hosts' configuration names it
#   DRIFTD_SIGNING_KEY   the secret key file's text, or its second line alone (the base64, which every CI system can
#                        mask): a secret of the CI system, for protected tags only
#   DRIFTD_KEY_PASSWORD  the key's password, where it has one
#   DRIFTD_PUBLIC_KEY    the public key file, kept in the repository (default: release.pub)
#   DRIFTD_SEQUENCE      a number that only grows (default: now, the time in seconds)
# The release's name and where it comes from are taken from GitHub's or GitLab's own variables.
set -eu

[ $# -ge 2 ] || { echo "usage: release.sh ARTIFACT SOURCE [BUILD-OPTION...]" >&2; exit 64; }
artifact=$1
source=$2
shift 2
: "${DRIFTD_NAME:?must name the product}" "${DRIFTD_SIGNING_KEY:?must hold the secret key}"
public_key=${DRIFTD_PUBLIC_KEY:-release.pub}

if [ -n "${GITHUB_ACTIONS:-}" ]; then
  release=$GITHUB_REF_NAME
  repository=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY
  commit=$GITHUB_SHA
  pipeline=$repository/actions/runs/$GITHUB_RUN_ID/attempts/$GITHUB_RUN_ATTEMPT
elif [ -n "${GITLAB_CI:-}" ]; then
  release=$CI_COMMIT_REF_NAME
  repository=$CI_PROJECT_URL
  commit=$CI_COMMIT_SHA
  pipeline=$CI_PIPELINE_URL
else
  echo "release.sh: neither GitHub's nor GitLab's variables are set" >&2
  exit 1
fi

manifest=$(dirname "$artifact")/$DRIFTD_NAME.manifest
# What is not verified in the end must not be there to be published.
trap '[ -n "${done:-}" ] || rm -f "$manifest" "$manifest.minisig"' EXIT
rm -f "$manifest" "$manifest.minisig"

# Only signing sees the key. The release is dated by the clock, whatever SOURCE_DATE_EPOCH the build had: --expires counts
# from that date, and a release of an old commit would be expired when it is made. That the same commit gives the same
# files is shown by the content id, which no date is part of.
env -u DRIFTD_SIGNING_KEY -u DRIFTD_KEY_PASSWORD -u SOURCE_DATE_EPOCH driftd-manifest build \
  --name "$DRIFTD_NAME" --release "$release" --sequence "${DRIFTD_SEQUENCE:-now}" \
  --source "git+$repository@$commit" --artifact "$artifact" --pipeline "$pipeline" "$@" "$source" -o "$manifest"
set --
[ -z "${DRIFTD_KEY_PASSWORD:-}" ] || set -- --password-env DRIFTD_KEY_PASSWORD
driftd-manifest sign --key-env DRIFTD_SIGNING_KEY "$@" "$manifest"
# With the key that the hosts have, not with what signed: a wrong secret is found here and not on all hosts at once.
driftd-manifest verify -p "$public_key" "$manifest"
done=yes
