using System.Globalization;

namespace FineMixing.Mixing;

/// <summary>Parameters of the mixers; each uses those its definition names and has defaults for them.</summary>
public sealed record MixerParameters
{
    /// <summary>The weight of each model: the suspect, then the others.</summary>
    public IReadOnlyList<double>? Weights { get; init; }

    /// <summary>The share of each model's changes that is kept (TIES, DARE, breadcrumbs), 0..1: the suspect, then the others; one value serves all.</summary>
    public IReadOnlyList<double>? Densities { get; init; }

    /// <summary>The share of the largest changes that is dropped (breadcrumbs), 0..1; one value serves all.</summary>
    public IReadOnlyList<double>? Gammas { get; init; }

    /// <summary>Divide by the sum of the weights.</summary>
    public bool? Normalize { get; init; }

    /// <summary>The position between the base (0) and the suspect (1) of SLERP, or the distance of nearswap.</summary>
    public double? Interpolation { get; init; }

    /// <summary>The factor on the merged change.</summary>
    public double? Scale { get; init; }

    /// <summary>The share of elements SCE selects, 0..1.</summary>
    public double? SelectTopK { get; init; }

    /// <summary>Interpolate row by row instead of the flattened tensor (nuslerp), or filter by filter (model stock).</summary>
    public bool? RowWise { get; init; }

    internal static string Invariant(double value) => value.ToString(CultureInfo.InvariantCulture);
}
