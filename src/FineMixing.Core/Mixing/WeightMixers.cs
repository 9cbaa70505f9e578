using FineMixing.Mixing.Mixers;

namespace FineMixing.Mixing;

/// <summary>All mixers by name.</summary>
public static class WeightMixers
{
    private static readonly Dictionary<string, Registration> Registered = new(StringComparer.Ordinal)
    {
        ["fine-mixing"] = new(_ => new FineMixingMixer()),
        ["fine-mixing-smallest"] = new(_ => new ChangeSizeMixer(keepLargest: false)),
        ["fine-mixing-largest"] = new(_ => new ChangeSizeMixer(keepLargest: true)),
        ["linear"] = new(p => new LinearMixer(p), "weights", "normalize"),
        ["wag"] = new(_ => new WagMixer()),
        ["slerp"] = new(p => new SlerpMixer(p), "interpolation"),
        ["nuslerp"] = new(p => new NuSlerpMixer(p), "weights", "rowWise"),
        ["multislerp"] = new(p => new MultiSlerpMixer(p), "weights", "normalize"),
        ["karcher"] = new(_ => new KarcherMixer()),
        ["task-arithmetic"] = new(p => new TaskArithmeticMixer(p), "weights", "normalize", "scale"),
        ["ties"] = new(p => new TiesMixer(p), "weights", "densities", "normalize", "scale"),
        ["dare-linear"] = new(p => new DareMixer(ties: false, p), "weights", "densities", "normalize", "scale"),
        ["dare-ties"] = new(p => new DareMixer(ties: true, p), "weights", "densities", "normalize", "scale"),
        ["breadcrumbs"] = new(p => new BreadcrumbsMixer(p), "weights", "densities", "gammas", "normalize", "scale"),
        ["model-stock"] = new(p => new ModelStockMixer(p), "rowWise"),
        ["nearswap"] = new(p => new NearSwapMixer(p), "interpolation"),
        ["sce"] = new(p => new SceMixer(p), "selectTopK"),
        ["arcee-fusion"] = new(_ => new ArceeFusionMixer()),
    };

    /// <summary>Every registered mixer with its defaults. (Fine-mixing (Sel) by importance needs scores: <see cref="ImportanceMask"/>.)</summary>
    public static IReadOnlyList<IWeightMixer> All { get; } = [.. Registered.Values.Select(r => r.Create(new MixerParameters()))];

    /// <summary>Finds a mixer.</summary>
    /// <param name="name">One of the names of <see cref="All"/>; <c>_</c> and <c>-</c> are the same.</param>
    /// <param name="parameters">Its parameters; null for the defaults.</param>
    /// <exception cref="ArgumentException">No mixer has that name, or it does not take one of the parameters.</exception>
    public static IWeightMixer Get(string name, MixerParameters? parameters = null)
    {
        var registration = Find(name);
        parameters ??= new MixerParameters();
        var unused = parameters.ToText().Keys.Except(registration.Parameters, StringComparer.Ordinal).ToList();
        return unused.Count == 0
            ? registration.Create(parameters)
            : throw new ArgumentException($"The method '{name}' does not take {string.Join(", ", unused)}; it takes {(registration.Parameters.Length == 0 ? "no parameters" : string.Join(", ", registration.Parameters))}.", nameof(parameters));
    }

    /// <summary>The names of the parameters that a mixer takes, as in <see cref="MixerParameters.ToText"/>.</summary>
    /// <param name="name">One of the names of <see cref="All"/>.</param>
    /// <exception cref="ArgumentException">No mixer has that name.</exception>
    public static IReadOnlyList<string> ParametersOf(string name) => Find(name).Parameters;

    private static Registration Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Registered.TryGetValue(name.Replace('_', '-'), out var registration)
            ? registration
            : throw new ArgumentException($"There is no mixing method '{name}'; expected one of {string.Join(", ", Registered.Keys)}.", nameof(name));
    }

    private sealed class Registration(Func<MixerParameters, IWeightMixer> create, params string[] parameters)
    {
        public Func<MixerParameters, IWeightMixer> Create { get; } = create;

        public string[] Parameters { get; } = parameters;
    }
}
