using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using FineMixing.Checkpoints;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Provenance;

namespace FineMixing.Torch.FineTuning;

/// <summary>Which training run this is: a SHA-256 of everything its result depends on, except the number of threads.</summary>
internal static class TrainingKey
{
    /// <summary>The key in hexadecimal.</summary>
    /// <param name="config">The architecture.</param>
    /// <param name="start">Weights to start from.</param>
    /// <param name="data">Inputs and targets.</param>
    /// <param name="options">How it is trained.</param>
    /// <param name="lowPrecision">Whether products are in bfloat16.</param>
    /// <param name="pruned">Units kept at zero.</param>
    public static string Of(ModelConfig config, StateDict start, IReadOnlyList<ModelInput> data, FineTuningOptions options, bool lowPrecision, PrunedUnits? pruned)
    {
        // Records write their numbers as the current culture does.
        var culture = CultureInfo.CurrentCulture;
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        try
        {
            return Hash(config, start, data, options, lowPrecision, pruned);
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }

    private static string Hash(ModelConfig config, StateDict start, IReadOnlyList<ModelInput> data, FineTuningOptions options, bool lowPrecision, PrunedUnits? pruned)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        void Text(FormattableString text) => hash.AppendData(Encoding.UTF8.GetBytes(text.ToString(CultureInfo.InvariantCulture) + "\n"));
        void Numbers<T>(ReadOnlySpan<T> values)
            where T : unmanaged
        {
            Text($"{values.Length}");
            hash.AppendData(MemoryMarshal.AsBytes(values));
        }

        Text($"{ProvenanceManifest.CurrentLibraryVersion} {lowPrecision}");
        Text($"{options with { Threads = 0 }}");
        Text($"{config with { SourceJson = "" }}");
        foreach (var tensor in start.Tensors)
        {
            Text($"{tensor.Name} {tensor.DType} {tensor.ShapeText}");
            hash.AppendData(start[tensor.Name].Bytes);
        }

        foreach (var input in data)
        {
            Numbers<int>(input.Encoding.Ids);
            Numbers<int>(input.Encoding.TypeIds);
            Numbers<float>(input.Target);
        }

        foreach (var layer in pruned?.PerLayer ?? [])
            Numbers(layer.AsSpan());
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
