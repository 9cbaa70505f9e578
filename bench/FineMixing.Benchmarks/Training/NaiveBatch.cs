using FineMixing.Torch.FineTuning;
using static TorchSharp.torch;

namespace FineMixing.Benchmarks.Training;

/// <summary>A padded batch as the naive loop builds it.</summary>
internal static class NaiveBatch
{
    public static (Tensor Ids, Tensor Mask, Tensor Labels) Of(IReadOnlyList<ModelInput> inputs, int padTo, Device? device = null)
    {
        var ids = new long[inputs.Count * padTo];
        var mask = new long[inputs.Count * padTo];
        for (var row = 0; row < inputs.Count; row++)
        {
            for (var i = 0; i < Math.Min(padTo, inputs[row].Encoding.Length); i++)
                (ids[(row * padTo) + i], mask[(row * padTo) + i]) = (inputs[row].Encoding.Ids[i], 1);
        }

        var labels = inputs.Select(i => i.Target.Length == 0 ? 0L : Array.IndexOf(i.Target, 1f)).ToArray();
        return (tensor(ids, [inputs.Count, padTo]).to(device ?? CPU), tensor(mask, [inputs.Count, padTo]).to(device ?? CPU), tensor(labels).to(device ?? CPU));
    }
}
