namespace FineMixing.Mixing;

/// <summary>A tensor mixer that finds NaN and infinity on the way, so that the values need not be read once more for it.</summary>
internal interface IFiniteMixer : ITensorMixer
{
    /// <summary>Whether it can for inputs of these types.</summary>
    bool ChecksWhileMixing(MixInputs inputs);

    /// <summary>Mixes like <see cref="ITensorMixer.Mix"/>.</summary>
    /// <returns>False if a value of any input is not finite; the destination is then of no use.</returns>
    bool MixFinite(long start, MixInputs inputs, Span<byte> destination);
}
