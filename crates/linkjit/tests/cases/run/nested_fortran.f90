! Internal procedures as arguments, of which each knows its own host's variables.
! compilers: gcc
! flags: -O0
! flags: -O2 -fno-pic
! flags: -O3 -fPIC
! libs: gfortran
! link-flags: -z execstack
module applying
contains
    integer function apply(f, x)
        interface
            integer function f(y)
                integer, intent(in) :: y
            end function
        end interface
        integer, intent(in) :: x
        apply = f(x)
    end function
    recursive subroutine outer(k, inner)
        interface
            integer function inner(y)
                integer, intent(in) :: y
            end function
        end interface
        optional inner
        integer, intent(in) :: k
        if (present(inner)) print *, apply(inner, 100)
        print *, apply(add, 2)
        if (k > 38) call outer(k - 1, add)
    contains
        integer function add(y)
            integer, intent(in) :: y
            add = y + k
        end function
    end subroutine
end module
program nested
    use applying
    implicit none
    call outer(40)
end program
