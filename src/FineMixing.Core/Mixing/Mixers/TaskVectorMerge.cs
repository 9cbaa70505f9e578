namespace FineMixing.Mixing.Mixers;

/// <summary>How TIES, DARE and breadcrumbs merge the changes of models: parameters with the method's defaults filled in and checked.</summary>
/// <param name="Weights">One a model: the suspect, then the others.</param>
/// <param name="Densities">The share of each change that is kept.</param>
/// <param name="Elect">Count only changes whose sign is the one the weighted sum elects.</param>
/// <param name="Normalize">Divide by the weights that were counted.</param>
/// <param name="Scale">The factor on the merged change.</param>
internal sealed record TaskVectorMerge(double[] Weights, double[] Densities, bool Elect, bool Normalize, double Scale)
{
    public int Models => Weights.Length;

    public static TaskVectorMerge Of(IWeightMixer mixer, TensorMixContext context, bool elect, bool normalize)
    {
        var models = context.OtherCount + 1;
        var given = mixer.Parameters;
        return new TaskVectorMerge(
            MixerArguments.Weights(mixer, given.Weights, models, 1),
            MixerArguments.Shares(mixer, "density", given.Densities, models, context.Ratio),
            elect,
            given.Normalize ?? normalize,
            given.Scale ?? 1);
    }
}
