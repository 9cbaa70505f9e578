using System.Globalization;

namespace FineMixing.Mixing.Mixers;

/// <summary>Checks the parameters of a mixer against the number of models.</summary>
internal static class MixerArguments
{
    /// <summary>One finite weight a model.</summary>
    public static double[] Weights(IWeightMixer mixer, IReadOnlyList<double>? given, int models, double fallback)
    {
        if (given is null)
            return [.. Enumerable.Repeat(fallback, models)];
        if (given.Count != models)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{mixer.Name} has {given.Count} weights for {models} models; expected one each: the suspect, then the others."));
        if (given.Any(w => !double.IsFinite(w)))
            throw new ArgumentException($"{mixer.Name}: every weight must be a finite number, not {string.Join(", ", given.Select(MixerParameters.Invariant))}.");
        return [.. given];
    }

    /// <summary>One share a model, 0..1; one value serves all.</summary>
    public static double[] Shares(IWeightMixer mixer, string what, IReadOnlyList<double>? given, int models, double fallback)
    {
        given ??= [fallback];
        if (given.Count != models && given.Count != 1)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{mixer.Name} has {given.Count} {what} values for {models} models; expected one, or one each: the suspect, then the others."));
        if (given.Any(s => !(s >= 0 && s <= 1)))
            throw new ArgumentException($"{mixer.Name}: {what} must lie in 0..1, not {string.Join(", ", given.Select(MixerParameters.Invariant))}.");
        return given.Count == models ? [.. given] : [.. Enumerable.Repeat(given[0], models)];
    }
}
