using FineMixing.Torch.Models;
using TorchSharp;

namespace FineMixing.Torch.Evaluation;

/// <summary>How texts are best cut into batches to classify them.</summary>
/// <param name="TokensPerBatch">The most tokens in one batch, padding included, where the caller names no number.</param>
/// <param name="BatchCost">What a batch costs besides its tokens, in tokens: small operations and reading all weights. In bfloat16 tokens are cheap and weights are not.</param>
/// <param name="BatchesPerRead">Batches that the device gets before the host waits for their results.</param>
internal sealed record BatchingSpeed(int TokensPerBatch, int BatchCost, int BatchesPerRead)
{
    public static BatchingSpeed Of(ParameterStore store) => (store.Device.type, store.LowPrecision) switch
    {
        (DeviceType.CPU, false) => new(1024, 16, 1),
        (DeviceType.CPU, true) => new(1024, 32, 1),
        _ => new(16384, 2048, 16),
    };
}
