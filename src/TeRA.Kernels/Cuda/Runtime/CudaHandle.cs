using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// A native object in a context. It keeps the context alive; after a fatal error its release does nothing, because the driver's
/// objects died with the context.
/// </summary>
internal abstract class CudaHandle : SafeHandle
{
    private readonly bool referencesContext;

    /// <summary>Takes over <paramref name="value"/>, inside a scope of <paramref name="context"/>.</summary>
    /// <param name="context">The context.</param>
    /// <param name="value">The native object; 0 for an empty handle that releases nothing.</param>
    /// <param name="ownedByContext">The context itself keeps this handle and releases it last.</param>
    protected CudaHandle(PrimaryContext context, nint value, bool ownedByContext = false)
        : base(0, ownsHandle: true)
    {
        Context = context;
        SetHandle(value);
        if (ownedByContext)
        {
#pragma warning disable CA1816 // Not a Dispose: the context releases this handle, never the finaliser thread on its own.
            GC.SuppressFinalize(this);
#pragma warning restore CA1816
            context.Own(this);
        }
        else if (value != 0)
        {
            context.DangerousAddRef(ref referencesContext);
        }
    }

    /// <summary>Where it lives.</summary>
    public PrimaryContext Context { get; }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>The native object.</summary>
    /// <exception cref="ObjectDisposedException">It is disposed: 0 is never handed out in its place.</exception>
    public nint Value
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    /// <inheritdoc/>
    protected sealed override bool ReleaseHandle()
    {
        bool released = true;
        if (!Context.IsLost)
        {
            released = referencesContext ? DestroyInScope() : Destroy(Context.Driver, handle);
        }

        if (referencesContext)
        {
            Context.DangerousRelease();
        }

        return released;
    }

    /// <summary>Makes the driver's call that ends the object; the context is current.</summary>
    /// <returns>Whether the driver agreed.</returns>
    protected abstract bool Destroy(DriverTable driver, nint value);

    private bool DestroyInScope()
    {
        try
        {
            using PrimaryContext.Scope scope = Context.EnterForRelease();
            return Destroy(Context.Driver, handle);
        }
        catch (TeraException)
        {
            // Release never throws; what failed will be told by the next call.
            return false;
        }
    }
}
