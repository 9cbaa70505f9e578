using static TorchSharp.torch;

namespace FineMixing.Torch.Models;

/// <summary>Activation functions by their names in <c>config.json</c>.</summary>
internal static class Activations
{
    public static Tensor Apply(string name, Tensor x) => name switch
    {
        "gelu" => nn.functional.gelu(x),
        "relu" => nn.functional.relu(x),
        _ => TanhGelu(x),
    };

    // Hendrycks & Gimpel 2016, arXiv 1606.08415: 0.5x(1 + tanh(sqrt(2/pi)(x + 0.044715x^3))).
    private static Tensor TanhGelu(Tensor x) =>
        x * 0.5f * (1.0f + ((x + x.pow(3) * 0.044715f) * (float)Math.Sqrt(2 / Math.PI)).tanh());
}
