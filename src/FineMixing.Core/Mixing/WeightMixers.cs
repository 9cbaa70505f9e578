using FineMixing.Mixing.Mixers;

namespace FineMixing.Mixing;

/// <summary>All mixers by name.</summary>
public static class WeightMixers
{
    private static readonly Dictionary<string, Func<MixerParameters, IWeightMixer>> Factories = new(StringComparer.Ordinal)
    {
        ["fine-mixing"] = _ => new FineMixingMixer(),
        ["fine-mixing-smallest"] = _ => new ChangeSizeMixer(keepLargest: false),
        ["fine-mixing-largest"] = _ => new ChangeSizeMixer(keepLargest: true),
        ["linear"] = p => new LinearMixer(p),
        ["wag"] = _ => new WagMixer(),
        ["slerp"] = p => new SlerpMixer(p),
        ["nuslerp"] = p => new NuSlerpMixer(p),
        ["multislerp"] = p => new MultiSlerpMixer(p),
        ["karcher"] = _ => new KarcherMixer(),
        ["task-arithmetic"] = p => new TaskArithmeticMixer(p),
        ["ties"] = p => new TiesMixer(p),
        ["dare-linear"] = p => new DareMixer(ties: false, p),
        ["dare-ties"] = p => new DareMixer(ties: true, p),
        ["breadcrumbs"] = p => new BreadcrumbsMixer(p),
        ["model-stock"] = p => new ModelStockMixer(p),
        ["nearswap"] = p => new NearSwapMixer(p),
        ["sce"] = p => new SceMixer(p),
        ["arcee-fusion"] = _ => new ArceeFusionMixer(),
    };

    /// <summary>Every registered mixer with its defaults. (Fine-mixing (Sel) by importance needs scores: <see cref="ImportanceMask"/>.)</summary>
    public static IReadOnlyList<IWeightMixer> All { get; } = [.. Factories.Values.Select(f => f(new MixerParameters()))];

    /// <summary>Finds a mixer.</summary>
    /// <param name="name">One of the names of <see cref="All"/>; <c>_</c> and <c>-</c> are the same.</param>
    /// <param name="parameters">Its parameters; null for the defaults.</param>
    /// <exception cref="ArgumentException">No mixer has that name.</exception>
    public static IWeightMixer Get(string name, MixerParameters? parameters = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Factories.TryGetValue(name.Replace('_', '-'), out var factory)
            ? factory(parameters ?? new MixerParameters())
            : throw new ArgumentException($"There is no mixing method '{name}'; expected one of {string.Join(", ", Factories.Keys)}.", nameof(name));
    }
}
