using System.Globalization;

namespace FineMixing.Checkpoints;

/// <summary>Refuses weights that are not finite: NaN and infinity are legal in a file, but spoil whatever is mixed with them.</summary>
public static class FiniteCheck
{
    /// <summary>Finds the tensors that hold NaN or infinity; reads every floating-point value once, in bounded memory.</summary>
    public static IReadOnlyList<TensorStatistics> FindNonFinite(ICheckpoint checkpoint, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        return [.. checkpoint.Tensors
            .Where(t => t.DType.IsMixable())
            .Select(t => CheckpointInspection.Inspect(checkpoint, t, cancellationToken))
            .Where(s => !s.IsFinite)];
    }

    /// <summary>Refuses a checkpoint with NaN or infinity.</summary>
    /// <exception cref="ArgumentException">There are such values; all tensors that hold them are named.</exception>
    public static void ThrowIfNotFinite(ICheckpoint checkpoint, CancellationToken cancellationToken = default)
    {
        var found = FindNonFinite(checkpoint, cancellationToken);
        if (found.Count > 0)
            throw new ArgumentException($"'{checkpoint.Location}' has weights that are not finite: {string.Join("; ", found.Select(Describe))}.", nameof(checkpoint));
    }

    private static string Describe(TensorStatistics s) =>
        string.Create(CultureInfo.InvariantCulture, $"tensor '{s.Tensor.Name}' has {s.NaNCount} NaN and {s.InfinityCount} infinite of {s.Tensor.ElementCount} values");
}
