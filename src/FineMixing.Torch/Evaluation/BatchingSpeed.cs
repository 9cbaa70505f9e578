using FineMixing.Torch.Models;
using TorchSharp;

namespace FineMixing.Torch.Evaluation;

/// <summary>How texts are best cut into batches to classify them.</summary>
/// <param name="TokensPerBatch">The most tokens in one batch, padding included, where the caller names no number.</param>
/// <param name="BatchCost">Where batches are padded, what one costs besides its tokens, in tokens: small operations and reading all weights.</param>
/// <param name="BatchesPerRead">Batches that the device gets before the host waits for their results.</param>
internal sealed record BatchingSpeed(int TokensPerBatch, int BatchCost, int BatchesPerRead)
{
    /// <summary>Measured: <c>evaluation --budgets</c> of the benchmarks.</summary>
    public static BatchingSpeed Of(ParameterStore store) => store.Device.type == DeviceType.CPU ? new(1024, 0, 1) : new(16384, 2048, 16);
}
