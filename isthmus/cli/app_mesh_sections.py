"""app mesh sections: for each of App Mesh's clients, the setting that points it here, as text with `$names` to fill in.

They are `string.Template`s, because Go, Java and Terraform are full of braces.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """One client: what to know, and what to copy."""

    key: str
    title: str
    text: str
    code: str


CONFIG = """\
[profile isthmus]
region = $region
services = isthmus

[services isthmus]
app_mesh =
  endpoint_url = $url
"""
CREDENTIALS = """\
[isthmus]
aws_access_key_id = $access_key_id
aws_secret_access_key = $secret
"""
_ENVIRONMENT = """\
export AWS_ENDPOINT_URL_APP_MESH=$url
export AWS_ACCESS_KEY_ID=$access_key_id
export AWS_SECRET_ACCESS_KEY=$secret
export AWS_REGION=$region AWS_DEFAULT_REGION=$region
unset AWS_SESSION_TOKEN
"""
_TERRAFORM = """\
provider "aws" {
  alias                       = "isthmus"
  region                      = "$region"
  access_key                  = "$access_key_id"
  secret_key                  = var.isthmus_secret_key
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true

  endpoints {
    appmesh = "$url"
  }
}

resource "aws_appmesh_mesh" "shop" {
  provider = aws.isthmus
  name     = "shop"
}
"""
_CONTROLLER = """\
kinds=$$(kubectl api-resources --api-group=appmesh.k8s.aws -o name | paste -sd,)
kubectl get -A -o yaml "$$kinds,namespaces,deployments,statefulsets" > crds.yaml
isthmus import crd crds.yaml --bindings --output mesh.yaml
isthmus apply -f mesh.yaml
"""
_ENVOY = """\
# the agent of the cluster, beside its other options
isthmus agent ... --aws-image-bind 0.0.0.0:15443 --aws-image-host AGENT:15443 \\
  --aws-image-cert agent.pem --aws-image-key agent.key

# the image
APPMESH_XDS_ENDPOINT=AGENT:15443
APPMESH_RESOURCE_ARN=arn:aws:appmesh:$region:$account:mesh/MESH/virtualNode/NODE
AWS_REGION=$region
AWS_ACCESS_KEY_ID=$access_key_id
AWS_SECRET_ACCESS_KEY=$secret
"""

SECTIONS = (
    Section(
        "environment",
        "Every AWS SDK and the AWS CLI, by environment",
        "The endpoint is App Mesh's only, so calls to other services still go to AWS, but they would be signed with "
        "these keys: set them for the programs that talk to App Mesh.",
        _ENVIRONMENT,
    ),
    Section("aws_config", "Every AWS SDK and the AWS CLI, by profile: ~/.aws/config", "", CONFIG),
    Section("aws_credentials", "~/.aws/credentials", "", CREDENTIALS),
    Section(
        "boto3",
        "boto3",
        "With the profile above, or with the endpoint said in the program.",
        'boto3.Session(profile_name="isthmus").client("appmesh")\n'
        'boto3.client("appmesh", endpoint_url="$url", region_name="$region")\n',
    ),
    Section(
        "aws_cli",
        "AWS CLI",
        "",
        "aws --profile isthmus appmesh list-meshes\naws appmesh list-meshes --endpoint-url $url --region $region\n",
    ),
    Section(
        "javascript",
        "AWS SDK for JavaScript v3",
        "",
        'new AppMeshClient({ endpoint: "$url", region: "$region" });\n',
    ),
    Section(
        "go",
        "AWS SDK for Go v2",
        "",
        "appmesh.NewFromConfig(cfg, func(o *appmesh.Options) {\n"
        '\to.BaseEndpoint = aws.String("$url")\n'
        '\to.Region = "$region"\n'
        "})\n".expandtabs(4),
    ),
    Section(
        "java",
        "AWS SDK for Java 2.x",
        "",
        "AppMeshClient.builder()\n"
        '    .endpointOverride(URI.create("$url"))\n'
        '    .region(Region.of("$region"))\n'
        "    .build();\n",
    ),
    Section(
        "terraform",
        "Terraform",
        "A second provider for the aws_appmesh_* resources, so that everything else stays with AWS. Without the three "
        "skips the provider asks AWS's STS and instance metadata about a key that AWS does not know.",
        _TERRAFORM,
    ),
    Section(
        "kubernetes_controller",
        "The App Mesh controller for Kubernetes",
        "It has no setting for the endpoint (aws-sdk-go v1). Either import its resources once and run without it, as "
        "below; or rebuild its image with the endpoint $url; or answer for appmesh.$region.amazonaws.com in the "
        "cluster's DNS, with a certificate for that name that the controller trusts. It signs with the key above.",
        _CONTROLLER,
    ),
    Section(
        "cloudformation",
        "CloudFormation",
        "CloudFormation calls App Mesh from inside AWS and cannot be pointed elsewhere. Import the templates.",
        "isthmus import cloudformation DIR --parameter NAME=VALUE --output mesh.yaml\nisthmus apply -f mesh.yaml\n",
    ),
    Section(
        "envoy_image",
        "AWS's App Mesh Envoy image",
        "AGENT is the name that the image dials, and the certificate must be for it and chain to the image's "
        "/etc/pki/tls/cert.pem. On Kubernetes the annotation appmesh.k8s.aws/sidecarEnv sets the variables. No session "
        "token: the image must not find a task's or an instance's role.",
        _ENVOY,
    ),
)
